from src.backbones import dmd as dmd
from src.backbones import mult as mult
from src.backbones import pmr as pmr
