from src.datasets import crema_d as crema_d
from src.datasets import iemocap as iemocap
from src.datasets import mosei as mosei
from src.datasets import mosi as mosi
from src.datasets import synthetic as synthetic
