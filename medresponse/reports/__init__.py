"""Reports: one typed document per patient, its HTML page and JSON, and the index page over them."""

from medresponse.decisions.harms import Harm, Rate
from medresponse.reports.base import Evidence, Placement, ReportContext, Section
from medresponse.reports.document import PatientReport, build_report
from medresponse.reports.index import IndexEntry, IndexFigure, IndexLink, IndexTable, write_index
from medresponse.reports.output import Report, report, save_report

__all__ = [
    "Evidence",
    "Harm",
    "IndexEntry",
    "IndexFigure",
    "IndexLink",
    "IndexTable",
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
]
