from .analysis import FILE as FILE
from .analysis import Analysis as Analysis
from .analysis import analyze as analyze
from .analysis import functional_clusters as functional_clusters
from .published import growing_brains as growing_brains
