"""ONNX Runtime with the settings that were measured."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # what was measured sent nothing, either

import onnxruntime


class Session:
    """The loaded file. ``run`` takes and answers arrays by the file's own names."""

    def __init__(self, path, manifest):
        options = manifest["options"]
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = manifest["threads"]
        settings.inter_op_num_threads = 1
        spinning = str(options.get("allow_spinning", "0"))
        settings.add_session_config_entry("session.intra_op.allow_spinning", spinning)
        level = str(options.get("accuracy_level") or "1")
        settings.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", level)
        provider = options.get("provider") or "CPUExecutionProvider"
        self._session = onnxruntime.InferenceSession(path, settings, providers=[provider])
        used = self._session.get_providers()[0]
        if used != provider:
            raise RuntimeError("ONNX Runtime uses {} instead of {}".format(used, provider))
        self._names = [node.name for node in self._session.get_outputs()]

    def run(self, feed):
        """One inference."""
        return dict(zip(self._names, self._session.run(self._names, feed)))
