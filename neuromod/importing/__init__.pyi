from .nir import check_file as check_file
from .onnx import load as load
from .readers import FORMATS as FORMATS
from .readers import read as read
from .result import Choice as Choice
from .result import Imported as Imported
