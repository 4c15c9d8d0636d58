"""What the default priors say before any outcome, family by family: `python -m benchmarks.priors > docs/priors.md`.

On the made-up cohorts of `benchmarks.recovery`; outcomes enter only through the centre of the intercept.
"""

from __future__ import annotations

import medresponse as mr
from benchmarks.recovery import TRUTHS, made_up
from medresponse.core.registry import registered
from medresponse.families import Family
from medresponse.priors import Normal

_SHOWN = ("average response, 0", "average benefit, 1", "spread of benefit over patients (sd), 1")


def main() -> None:
    """Print one row a family and quantity."""
    print("# What the default priors say\n")
    print(
        "Printed by `python -m benchmarks.priors`: prior median and central 95% on the clinical scale, for a block with\n"
        "`normal` coefficients of sd 0.5, modification at its default of half that, and a treatment effect of sd 1, on the\n"
        "made-up cohorts of `benchmarks/recovery.py`. A benefit is against arm 0 and positive when better. The standard\n"
        "deviation of the benefit over patients is the effect modification that the prior allows.\n\n"
        "**Scales of priors are those of the linear predictor**, also the defaults (`Normal.sigma`, `slab_scale` of the horseshoes,\n"
        "`treatment`). For log odds, log hazards and log times one default suits most studies. For `gaussian` and `student_t` they are\n"
        "in the outcome's own units: sd 1 for a treatment effect suits an outcome whose standard deviation is near 1, and all but\n"
        "rules out any effect on a score whose standard deviation is 100. State them in the outcome's units, or use `r2d2`, which has\n"
        "none. A fit logs a warning for each prior whose scale is below a tenth of the outcome's standard deviation.\n"
    )
    print("| family | quantity | unit | median | 2.5% | 97.5% |\n|---|---|---|---|---|---|")
    for name, truth in TRUTHS.items():
        if "," in name:
            continue
        cohort, _ = made_up(truth, 400, 0)
        spec = mr.ModelSpec(family=registered(Family)[name](), blocks={"history": Normal()})
        table = mr.check_prior(spec, cohort, seed=1, **truth.ask).table
        for quantity in _SHOWN:
            for row in table.filter(table["quantity"] == quantity).iter_rows(named=True):
                values = " | ".join(f"{row[q]:.2g}" for q in ("median", "q025", "q975"))
                print(f"| `{name}` | {quantity} | {row['unit']} | {values} |", flush=True)


if __name__ == "__main__":
    main()
