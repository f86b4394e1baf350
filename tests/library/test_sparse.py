"""torch.sparse, kept whole, against PyTorch's sparse matrices; and files of weights that lie where PyTorch looks for them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import distml_py as dm
from distml_py.errors import ShapeError, UnsupportedError
from distml_py.stand_in import hub

PLACES, VALUES = np.array([[0, 1, 1, 3, 1], [1, 0, 2, 3, 2]]), np.array([1.0, 2.0, 3.0, 4.0, 5.0], np.float32)


def test_products_and_gradients_are_pytorchs() -> None:
    def run(library: Any) -> list[np.ndarray]:
        values = library.tensor(VALUES, requires_grad=True)
        graph = library.sparse_coo_tensor(library.tensor(PLACES), values, (4, 4))
        weight = library.arange(8.0).reshape(4, 2).requires_grad_()
        out = library.sparse.mm(graph, weight)
        out.square().sum().backward()
        whole = graph.coalesce()
        found = [
            out,
            values.grad,
            weight.grad,
            graph.to_sparse_coo().to_dense(),
            whole.indices(),
            whole.values(),
            library.spmm(whole, weight),
        ]
        assert whole._nnz() == 4
        return [part.detach().numpy() for part in (*found, library.sparse.sum(graph), library.sparse.softmax(graph, 1).to_dense())]

    for mine, wanted in zip(run(dm), run(torch), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-6)
    assert dm.sparse.FloatTensor(dm.tensor(PLACES), dm.tensor(VALUES)).shape == (4, 4)


def test_entries_that_do_not_fit_are_told() -> None:
    with pytest.raises(ShapeError, match=r"needs indices \(dimensions, n\) and values \(n, ...\), got \(2, 5\), \(3,\)"):
        dm.sparse_coo_tensor(PLACES, VALUES[:3])
    with pytest.raises(ShapeError, match=r"size \(4,\) has not the 2 dimensions of the entries"):
        dm.sparse_coo_tensor(PLACES, VALUES, (4,))
    with pytest.warns(UserWarning, match="a sparse tensor is kept whole here"):
        dm.ones(1).expand(2**24 + 1).to_sparse()


def test_pretrained_weights_are_read_where_they_lie_and_else_it_is_said_where_to_put_them(tmp_path: Path) -> None:
    address = "https://example.org/models/net-1234.pth"
    with pytest.raises(
        UnsupportedError, match=r"a download of https://example.org/models/net-1234.pth; .* put it at .*net-1234.pth"
    ):
        hub.load_state_dict_from_url(address, model_dir=str(tmp_path))
    torch.save({"weight": torch.ones(2)}, tmp_path / "net-1234.pth")
    assert hub.load_url(address, str(tmp_path))["weight"].tolist() == [1, 1]
    hub.set_dir(tmp_path)
    try:
        assert hub.get_dir() == str(tmp_path)
    finally:
        hub._folder.clear()
    with pytest.raises(UnsupportedError, match=r"torch.hub.load\('pytorch/vision', 'resnet18'\)"):
        hub.load("pytorch/vision", "resnet18")
    with pytest.raises(UnsupportedError, match="put the file at"):
        hub.download_url_to_file(address, str(tmp_path / "none"))


def test_names_of_pytorchs_distributed_can_be_imported() -> None:
    with dm.as_torch():
        namespace: dict[str, Any] = {}
        code = (
            "import torch.utils.model_zoo as zoo\nimport torch\n"
            "from torch.distributed.optim import ZeroRedundancyOptimizer\ntorch.hub"
        )
        exec(code, namespace)
        with pytest.raises(UnsupportedError):
            namespace["zoo"].load_url("https://example.org/none.pth")
