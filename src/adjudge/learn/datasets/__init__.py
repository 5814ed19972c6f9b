"""Public data sets of fraud: one module each, read from a path that the user gives.

No file of them comes with the package. Each module has ``read(path)`` for its events and labels, ``system()`` for
definitions that fit it, and ``DATASET`` for what was published about it.
"""

from __future__ import annotations

from adjudge.errors import InputError, did_you_mean
from adjudge.learn.datasets import banksim, creditcard, ecommerce, handbook, ieee_cis, paysim, sparkov, tabformer
from adjudge.learn.datasets.dataset import Checked, Dataset, Edition

DATASETS: dict[str, Dataset] = {
    module.DATASET.name: module.DATASET
    for module in (handbook, sparkov, ieee_cis, creditcard, paysim, banksim, tabformer, ecommerce)
}
"""Every set by its name."""


def dataset(name: str) -> Dataset:
    """Return the data set of a name.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> dataset("paysim").editions[0].frauds
    8213
    """
    if name not in DATASETS:
        msg = f"there is no data set {name!r}{did_you_mean(name, DATASETS)}"
        raise InputError(msg, field="name", code="unknown_dataset")
    return DATASETS[name]


__all__ = ["DATASETS", "Checked", "Dataset", "Edition", "dataset"]
