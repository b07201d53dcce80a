from src.fusions import evidence as evidence
from src.fusions import reference as reference
