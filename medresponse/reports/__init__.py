"""Reports: one typed document per patient, its HTML page and JSON, and the index page over them."""

from medresponse.decisions.harms import Harm, Rate
from medresponse.reports.base import Evidence, Placement, ReportContext, Section
from medresponse.reports.batch import Batch, Outcome, write_reports
from medresponse.reports.document import PatientReport, build_report
from medresponse.reports.index import IndexEntry, IndexFigure, IndexLink, IndexTable, write_index
from medresponse.reports.output import Report, report, save_report

__all__ = [
    "Batch",
    "Evidence",
    "Harm",
    "IndexEntry",
    "IndexFigure",
    "IndexLink",
    "IndexTable",
    "Outcome",
    "PatientReport",
    "Placement",
    "Rate",
    "Report",
    "ReportContext",
    "Section",
    "build_report",
    "report",
    "save_report",
    "write_index",
    "write_reports",
]
