"""One convolution in every format, written by scripts/write_try_models.py."""

from __future__ import annotations

import base64
import zlib
from typing import Dict, Tuple

# The format that each runtime opens. TensorRT has none: its engines belong to the device that built them.
FORMATS = {"litert": "tflite", "onnxruntime": "onnx", "openvino": "openvino"}


def files(kind: str) -> Dict[str, bytes]:
    """The files of a format by name; the first is the one that the runtime opens."""
    return {name: zlib.decompress(base64.b64decode(text)) for name, text in _FILES[kind].items()}


_FILES: Dict[str, Dict[str, str]] = {
    "onnx": {
        "model.onnx": (
            "eNrjYBNikGIwYrD6wMglyMVYwcVYLsSYrMTinJ9XZsTAxcfFmCzEWKnEEpSaU2rEIMRcUlSpZczBCITMHMwCjE6M5V4q"
            "DAwNBxgYHICYAYgb9jOAQYM9kHAAIiBucAhiiJIGGi8kxiXCwSgkwMXEwQjFLCCcBJSsxCLJBMJZ0iBXkCuJ01gnFi4G"
            "AW4AaHQbWg=="
        ),
    },
    "openvino": {
        "model.xml": (
            "eNrNVlFv2yAQfm5+BeI5CQZ77SaR9GFTpEjTWkXaXhGNSctmg2Vwl+zXD2zjOFviJZu6TbLk4+C+u/v4BNDbbZ6BZ1Ea"
            "qdUM4mkEb+cjqoQFiudiBrVSW7YotbJCpWy5gr3FGM5HVzTjO+dxVmsCmc5gBNv4LQR2VzjjnpfOYUXZQ9CFEbZGccEp"
            "txyYJ+4X4zEeJ+MEApGJXCjLGoxNTCBAzXJd2aKytX1FC13akLcoxVo2+It7H+ALMb6SZrHLJPM5psj/Bj3JoIcin7Up"
            "Bu2roahm4Qc+cODja+DjrVbGDnJxpPeOHuC+2H0Q6M3GBdadG/nNTcbXl3N0KTPxoOciZkhgZt1j5llnlXXlDWvFljL1"
            "O+vpgCCVGfcxnaPgqWEP4lG66GgMotbjdBzGvLKaOecMim2RybW0HXVSvQxzZ2uqlxb/1Q3bd35CP+TPyyGDnov0Ewf9"
            "7IJ+VuL9x1PCealtvaChX/KLT59hu3/JdNIxjYxUX5gPZdGedVNlRw400MCyww7+q43Yt9ta/jajIn0UzbXmLbApdT6p"
            "Z+s666EHq0dWhylSD7oJdBwAnweATwKQAwDSB4jPqiA+AMB9gORnAIoCG9TtuVQbXaN6o9XEXSHUp+WHO7CqlJW5cELg"
            "WeUmSESup8kUTwh585pMBMExx8kNeXUzKd0Nx40wyK9BSai1RWCtkn4faO0ukgbDHfLt68P05MdynYos4L9brlDtmPo3"
            "z/4iMKzY2SeHoR8+i7UNyxc8MyJkQqdSUdTxRZF7Vc1H3wGF1ZX9"
        ),
        "model.bin": ("eNpjYGg4wMDgAMQMQNywnwEMGuyBhAMQAXGDAwCFAgZ/"),
    },
    "tflite": {
        "model.tflite": (
            "eNqVVD1v01AUvY6TEIqVBsVUoeoQiQwZMvRLFUMkKiFVDAgxMDAgmdSxqaVgW45TOiCUoT+gP4GfwUYHBkaEGBkr1IGR"
            "lZjz3rtOHOMIYeXk+V3b555z77W3iOjZ0eM9k9q0RS0yqUEGYmWq4ZwQI1wh6gB94DnwAtABDXjJ6zlQBc6wOQR6gAH8"
            "ROwLcBcIfP9sN3bb7mgQH09c14msoRc5dswcTzXFe1Uh+gx8AN4nSVKRehRH5AwntjO0Qjznjb3At8aTMAwiwfFuliRG"
            "RvM6MHaiU89/ZQ0ddzAZxTKPyfmEpxrc1qRbpV/kEfmCSWxtY/36O0nKHPd8GaIfHLsFuOHOwcC23XBvl2YcbzC/QImx"
            "OVu+lnKK84PZIoc4jnjfkbvpJSoKEDD9qO6YPsDfIX7A9LAM5erZ+ryDwlOdvYp69AAhfp/9vQ6Gzohz7kPEN6xvgUes"
            "qcqrOG4C12jMBXAf+A5D50APuMJNF0Bf3rw2z72GncF+SzlOjbWa8rqBOiqtDZXutvDdBZ4ki7rk65ndV2QfFecm+085"
            "24pT63INVG6hc32uc6GJNI35dObW532p00ZOb4v1prUVDgVnNdffVR7EcQP4BJ9d9s8zUErn17YiZ3wyCB1L/s/50tWU"
            "HW/KqqujLOvaZz6d+UTf74n3Ae/Cw8A/tbYtzw8x5P7Jm3/l6GIeW1zjTu79KPJVFBvNlMcaz+DGshbQpWIWz2d7XRS7"
            "RN16PGclnhlzmdcWy7E3GFNGUwpTzgr9VbuUUyvWKjldbxQ70UKXnvkmFsVGybL/O6t6sWJuimLCv8mcbY7Z/9GT9FtP"
            "Of/ZXme/e1mOcsFcp/tr6GoqwuYvnPMM6oZ8dxSTwXUVyx/xOr3E"
        ),
    },
}

# Name of the input and of the output, by format.
TENSORS: Dict[str, Tuple[str, str]] = {
    "onnx": ("x", "y"),
    "openvino": ("x", "y"),
    "tflite": ("in_0", "out_0"),
}
