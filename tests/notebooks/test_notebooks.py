from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# The first that a user opens samples for real, as `make notebooks` does with all of them.
SAMPLED = ("quickstart",)
MOCK = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.mocked_sampling import install; install()"


@pytest.mark.sampling
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_top_to_bottom(path, monkeypatch):
    monkeypatch.setenv("MEDRESPONSE_DRAWS", "60")  # enough to run every line; nothing here looks at numbers
    notebook = nbformat.read(path, as_version=4)
    if path.stem not in SAMPLED:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(MOCK))
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("text/html" in output.get("data", {}) for output in shown)
    assert not any(
        output.output_type == "stream" and output.name == "stderr" and "Traceback" in output.text
        for output in shown
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    assert all(
        not cell.get("outputs") and cell.get("execution_count") is None
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
