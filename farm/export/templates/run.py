"""Run the exported model: the same file, runtime, threads and precision that were measured.

    python run.py --check                      compare with the source model's outputs in golden.npz
    python run.py inputs.npz --out out.npz     arrays by the names of the source model's inputs

In a program of your own: ``model = Model(); outputs = model({"image": array})``. Arrays have the names,
dtypes and layout of the source model; layout changes and integers of a quantised file are handled here.
Needs numpy and the runtime that requirements.txt names.
"""

import argparse
import json
import os
import sys
import zipfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import runtime  # noqa: E402 - lies beside this file
import tensors  # noqa: E402


class Model:
    """The model, loaded once. Call it with a dict of arrays; it answers a dict of arrays."""

    def __init__(self, folder=HERE):
        with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
            self.manifest = json.load(file)
        self._inputs = self.manifest["inputs"]
        self._outputs = self.manifest["outputs"]
        path = os.path.join(folder, self.manifest["files"][0])
        self._session = runtime.Session(path, self.manifest)

    def __call__(self, inputs):
        """Outputs by the source model's names. Raises ValueError for a wrong name, dtype or shape."""
        wanted = [entry["source"]["name"] for entry in self._inputs]
        if sorted(inputs) != sorted(wanted):
            raise ValueError("expected the inputs {}, got {}".format(wanted, sorted(inputs)))
        feed = {
            entry["artifact"]["name"]: tensors.to_artifact(inputs[entry["source"]["name"]], entry)
            for entry in self._inputs
        }
        found = self._session.run(feed)
        return {
            entry["source"]["name"]: tensors.to_source(found[entry["artifact"]["name"]], entry)
            for entry in self._outputs
        }


def check(model, folder=HERE):
    """Run every golden sample; the list of what disagrees, empty when all is well."""
    golden = model.manifest["golden"]
    wrong = []
    with np.load(os.path.join(folder, golden["file"]), allow_pickle=False) as data:
        pairs = {}
        for sample in range(golden["samples"]):
            inputs = {
                entry["source"]["name"]: data["in.{}.{}".format(sample, index)]
                for index, entry in enumerate(model.manifest["inputs"])
            }
            outputs = model(inputs)
            for index, entry in enumerate(model.manifest["outputs"]):
                name = entry["source"]["name"]
                want = data["out.{}.{}".format(sample, index)]
                pairs.setdefault(name, []).append((outputs[name], want))
    for name, found in pairs.items():
        problem = tensors.disagreement(found, golden)
        if problem:
            wrong.append("{}: {}".format(name, problem))
    return wrong


def arrays(path):
    """The arrays of an .npz by name. Raises OSError, and ValueError for a file that is none."""
    try:
        data = np.load(path, allow_pickle=False)
        with data:
            return {name: data[name] for name in data.files}
    except (AttributeError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError("{} is no .npz: {}".format(path, error)) from error


def main():
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(description="Run the exported model.")
    parser.add_argument("inputs", nargs="?", help="an .npz with an array per input")
    parser.add_argument("--out", default="outputs.npz", help="where the outputs go (.npz)")
    parser.add_argument("--check", action="store_true", help="compare with golden.npz")
    arguments = parser.parse_args()
    if not arguments.check and not arguments.inputs:
        parser.error("give an .npz with inputs, or --check")
    model = Model()
    if arguments.check:
        wrong = check(model)
        for line in wrong:
            print("DIFFERS " + line)
        if wrong:
            return 1
        golden = model.manifest["golden"]
        print("ok: {} samples agree with the source model".format(golden["samples"]))
    if arguments.inputs:
        outputs = model(arrays(arguments.inputs))
        np.savez(arguments.out, **outputs)
        for name, array in outputs.items():
            print("{} {} {}".format(name, array.dtype, list(array.shape)))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, RuntimeError, ValueError) as error:
        sys.exit("run.py: {}".format(error))
