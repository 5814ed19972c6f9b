"""Models: trained with whatever library is best, served as plain numbers without it.

Estimators follow scikit-learn; what they become is a scorer for the engine, saved without pickle and the same in bits
for a row whatever its neighbours. Importing this package imports no training library.
"""

from adjudge.models.autoencoder import Autoencoder
from adjudge.models.averaged import Averaged
from adjudge.models.bagging import BalancedBagging
from adjudge.models.blend import BlendScorer, Family
from adjudge.models.calibrate import Beta, Isotonic, Platt
from adjudge.models.categories import Categories
from adjudge.models.estimator import Estimator
from adjudge.models.families import Families
from adjudge.models.forest import Forest
from adjudge.models.fromonnx import FromOnnx
from adjudge.models.isolation import Isolation
from adjudge.models.logistic import Logistic
from adjudge.models.mean import Mean, combine
from adjudge.models.native import from_lightgbm, from_xgboost
from adjudge.models.net import Net
from adjudge.models.onnx import Onnx
from adjudge.models.randomforest import RandomForest
from adjudge.models.sage import Sage
from adjudge.models.scorers import ModelScorer, Served
from adjudge.models.sequence import SequenceModel, find_steps
from adjudge.models.sequence_net import SequenceNet
from adjudge.models.served import check_equal_to_trained, check_invariance, load, save
from adjudge.models.stack import Of, Stack
from adjudge.models.stacked import Member, StackScorer
from adjudge.models.steps import Steps
from adjudge.models.trees import Trees
from adjudge.models.venn import VennAbers

__all__ = [
    "Autoencoder",
    "Averaged",
    "BalancedBagging",
    "Beta",
    "BlendScorer",
    "Categories",
    "Estimator",
    "Families",
    "Family",
    "Forest",
    "FromOnnx",
    "Isolation",
    "Isotonic",
    "Logistic",
    "Mean",
    "Member",
    "ModelScorer",
    "Net",
    "Of",
    "Onnx",
    "Platt",
    "RandomForest",
    "Sage",
    "SequenceModel",
    "SequenceNet",
    "Served",
    "Stack",
    "StackScorer",
    "Steps",
    "Trees",
    "VennAbers",
    "check_equal_to_trained",
    "check_invariance",
    "combine",
    "find_steps",
    "from_lightgbm",
    "from_xgboost",
    "load",
    "save",
]
