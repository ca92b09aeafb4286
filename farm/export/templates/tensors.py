"""Arrays between the source model (names, dtypes, layout) and the exported file."""

import numpy as np


def to_artifact(array, entry):
    """An input of the source model as the file wants it. Raises ValueError for a wrong dtype or shape."""
    source, target = entry["source"], entry["artifact"]
    array = np.asarray(array)
    if array.dtype != np.dtype(source["dtype"]) or not _fits(array.shape, source["shape"]):
        raise ValueError(
            "the input {} is {} {}, the model wants {} {}".format(
                source["name"], array.dtype, list(array.shape), source["dtype"], source["shape"]
            )
        )
    if entry["permutation"] is not None:
        array = array.transpose(entry["permutation"])
    if entry["scale"] is not None:
        array = _quantised(array, entry)
    elif array.dtype != np.dtype(target["dtype"]):
        array = _cast(array, target["dtype"], source["name"])
    if not _fits(array.shape, target["shape"]):
        array = array.reshape(target["shape"])
    return np.array(array, order="C")


def to_source(array, entry):
    """An output of the file in the source model's layout; integers that stand for floats become floats."""
    array = np.asarray(array)
    if entry["scale"] is not None and array.dtype.kind in "iu":
        real = (array.astype(np.float64) - entry["zero_point"]) * entry["scale"]
        array = real.astype(entry["source"]["dtype"])
    permutation = entry["permutation"]
    if permutation is not None and array.ndim == len(permutation):
        array = array.transpose(np.argsort(permutation))
    return array


def disagreement(pairs, golden):
    """Why one output differs from its reference over all samples, "" when it agrees.

    ``pairs``: (got, want) per sample. Floats: every element within atol + rtol * max|want| of its sample.
    Quantised files (``cosine`` above 0): the relative error of all samples as one vector at most
    sqrt(1 - cosine^2), unless nothing is off by more than atol.
    """
    error, allowed_worst = 0.0, 0.0
    difference = reference = 0.0
    for got, want in pairs:
        if got.size != want.size:
            return "has the shape {}, not {}".format(list(got.shape), list(want.shape))
        got, want = got.astype(np.float64).ravel(), want.astype(np.float64).ravel()
        finite = np.isfinite(want)
        same = np.array_equal(got[~finite], want[~finite], equal_nan=True)
        if not same or not np.isfinite(got[finite]).all():
            return "infinities or NaN stand in other places"
        got, want = got[finite], want[finite]
        if not want.size:
            continue
        worst = float(np.abs(got - want).max())
        allowed = golden["atol"] + golden["rtol"] * float(np.abs(want).max())
        if golden["cosine"] <= 0 and worst > allowed:
            return "is off by {:.4g}, allowed is {:.4g}".format(worst, allowed)
        error, allowed_worst = max(error, worst), max(allowed_worst, allowed)
        difference += float(np.dot(got - want, got - want))
        reference += float(np.dot(want, want))
    if golden["cosine"] > 0 and error > golden["atol"]:
        limit = (1.0 - golden["cosine"] ** 2) * reference
        if difference > limit:
            return "has a squared error of {:.4g}, allowed is {:.4g}".format(difference, limit)
    return ""


def _quantised(array, entry):
    """round(x / scale) + zero_point, half to even, clipped to the file's integers."""
    if np.isnan(array).any():
        raise ValueError("the input {} holds NaN".format(entry["source"]["name"]))
    wanted = np.dtype(entry["artifact"]["dtype"])
    limits = np.iinfo(wanted)
    steps = np.rint(array.astype(np.float64) / entry["scale"]) + entry["zero_point"]
    return np.clip(steps, limits.min, limits.max).astype(wanted)


def _cast(array, dtype, name):
    """Another dtype, refused where integers would change their value."""
    with np.errstate(all="ignore"):
        result = array.astype(dtype)
    if array.dtype.kind != "f" and not np.array_equal(result.astype(array.dtype), array):
        raise ValueError("the input {} holds values that {} cannot hold".format(name, dtype))
    return result


def _fits(shape, wanted):
    return len(shape) == len(wanted) and all(b in (-1, a) for a, b in zip(shape, wanted))
