from src.datasets.convert import clue as clue
from src.datasets.convert import crema_d as crema_d
from src.datasets.convert import csd as csd
from src.datasets.convert import dialogue as dialogue
from src.datasets.convert import folder as folder
from src.datasets.convert import merbench as merbench
from src.datasets.convert import mmsa as mmsa
from src.datasets.convert import mult as mult
