"""Summaries of a population's responses, streamed: `score`."""

from medresponse.response.scoring.scores import Scores
from medresponse.response.scoring.scoring import score

__all__ = ["Scores", "score"]
