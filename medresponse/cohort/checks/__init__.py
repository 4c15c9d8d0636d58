"""The checks between a file's rows and a `Cohort`: one small function a finding."""

from medresponse.cohort.checks.building import cohort_from_frame

__all__ = ["cohort_from_frame"]
