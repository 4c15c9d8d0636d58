"""Names of the xarray dimensions used throughout."""

CHAIN = "chain"
DRAW = "draw"
PATIENT = "patient"
TREATMENT = "treatment"
TIME = "time"
