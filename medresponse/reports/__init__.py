"""Reports: one typed document per patient, its HTML page and JSON, and the index page over them."""

from medresponse.decisions.harms import Harm, Rate
from medresponse.reports.base import Evidence, Placement, ReportContext, Section
from medresponse.reports.batch import Batch, Outcome, write_reports
from medresponse.reports.cohort_documents import CohortDocument, build_cohort_document, save_cohort_document
from medresponse.reports.document import PatientReport, build_report
from medresponse.reports.facts import ModelFacts, load_facts
from medresponse.reports.index import IndexEntry, IndexFigure, IndexLink, IndexTable, write_index
from medresponse.reports.output import Report, report, save_report
from medresponse.reports.reading import ReaderQuestion, question_sheet, reader_questions

__all__ = [
    "Batch",
    "CohortDocument",
    "Evidence",
    "Harm",
    "IndexEntry",
    "IndexFigure",
    "IndexLink",
    "IndexTable",
    "ModelFacts",
    "Outcome",
    "PatientReport",
    "Placement",
    "Rate",
    "ReaderQuestion",
    "Report",
    "ReportContext",
    "Section",
    "build_cohort_document",
    "build_report",
    "load_facts",
    "question_sheet",
    "reader_questions",
    "report",
    "save_cohort_document",
    "save_report",
    "write_index",
    "write_reports",
]
