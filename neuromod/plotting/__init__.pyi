from . import analysis as analysis
from . import cores as cores
from . import explored as explored
from . import film as film
from . import overview as overview
from . import pareto as pareto
from . import stages as stages
from .data import examples as examples
