from src.datasets import ch_sims as ch_sims
from src.datasets import crema_d as crema_d
from src.datasets import iemocap as iemocap
from src.datasets import iemocap6 as iemocap6
from src.datasets import meld as meld
from src.datasets import mosei as mosei
from src.datasets import mosi as mosi
from src.datasets import synthetic as synthetic
