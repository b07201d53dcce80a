from src.fusions import reference as reference
