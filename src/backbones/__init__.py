from src.backbones import mult as mult
