from . import folder as folder
from . import loihi as loihi
from . import loihi2 as loihi2
from . import xylo as xylo
from .loihi_calibration import calibrate_loihi as calibrate_loihi
