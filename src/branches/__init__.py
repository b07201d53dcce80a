from src.branches import albert as albert
from src.branches import attention as attention
from src.branches import light as light
from src.branches import resnet as resnet
