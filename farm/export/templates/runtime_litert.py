"""LiteRT with the settings that were measured."""

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter


class Session:
    """The loaded file. ``run`` takes and answers arrays by the file's own names."""

    def __init__(self, path, manifest):
        self._interpreter = Interpreter(model_path=path, num_threads=manifest["threads"])
        self._interpreter.allocate_tensors()
        self._inputs = {item["name"]: item for item in self._interpreter.get_input_details()}

    def run(self, feed):
        """One inference."""
        for name, array in feed.items():
            self._interpreter.set_tensor(self._inputs[name]["index"], array)
        self._interpreter.invoke()
        return {
            item["name"]: self._interpreter.get_tensor(item["index"])
            for item in self._interpreter.get_output_details()
        }
