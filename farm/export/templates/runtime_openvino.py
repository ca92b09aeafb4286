"""OpenVINO with the settings that were measured."""

import openvino


class Session:
    """The loaded file. ``run`` takes and answers arrays by the file's own names."""

    def __init__(self, path, manifest):
        device = manifest["options"].get("device") or "CPU"
        core = openvino.Core()
        capable = "FP16" in core.get_property(device, "OPTIMIZATION_CAPABILITIES")
        settings = {
            "NUM_STREAMS": "1",
            "PERFORMANCE_HINT": "LATENCY",
            # Never left to OpenVINO: on some processors it computes in bfloat16 by itself.
            "INFERENCE_PRECISION_HINT": "f16" if manifest["precision"] == "fp16" and capable else "f32",
        }
        if "DYNAMIC_QUANTIZATION_GROUP_SIZE" in core.get_property(device, "SUPPORTED_PROPERTIES"):
            settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = "0"
        if device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = str(manifest["threads"])
        compiled = core.compile_model(core.read_model(path), device, settings)
        self._request = compiled.create_infer_request()
        self._inputs = {name: port for port in compiled.inputs for name in _names(port)}
        self._outputs = [(_names(port), port) for port in compiled.outputs]

    def run(self, feed):
        """One inference."""
        self._request.infer({self._inputs[name]: array for name, array in feed.items()})
        return {
            name: self._request.get_tensor(port).data.copy()
            for names, port in self._outputs
            for name in names
        }


def _names(port):
    """All names of a port; its node's name when it has none."""
    return sorted(port.get_names()) or [port.get_node().get_friendly_name()]
