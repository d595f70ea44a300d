"""What a model file may hold: a fixed list, whatever the file says of itself.

Types are named by where they are imported from and looked up in the libraries as they are
installed, so that a private module that moves between versions changes nothing. Left out on
purpose: what reads files or calls functions given by name (text vectorisers, searches with
their scorers), and what keeps the training patients whole without saying so (nearest
neighbours; our own methods that do so have a tag, and the model card tells).
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np

_CLASSIFIERS_AND_REGRESSORS: dict[str, str] = {
    "sklearn.linear_model": (
        "LogisticRegression LogisticRegressionCV LinearRegression Ridge RidgeCV RidgeClassifier "
        "RidgeClassifierCV Lasso LassoCV ElasticNet ElasticNetCV SGDClassifier SGDRegressor "
        "BayesianRidge HuberRegressor PoissonRegressor GammaRegressor TweedieRegressor"
    ),
    "sklearn.ensemble": (
        "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor "
        "GradientBoostingClassifier GradientBoostingRegressor HistGradientBoostingClassifier "
        "HistGradientBoostingRegressor AdaBoostClassifier AdaBoostRegressor BaggingClassifier "
        "BaggingRegressor VotingClassifier VotingRegressor StackingClassifier StackingRegressor"
    ),
    "sklearn.tree": (
        "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor"
    ),
    "sklearn.svm": "SVC SVR NuSVC NuSVR LinearSVC LinearSVR",
    "sklearn.naive_bayes": "GaussianNB BernoulliNB",
    "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "sklearn.neural_network": "MLPClassifier MLPRegressor",
    "sklearn.dummy": "DummyClassifier DummyRegressor",
    "sklearn.calibration": "CalibratedClassifierCV",
    "sklearn.isotonic": "IsotonicRegression",
}
_SURVIVAL: dict[str, str] = {
    "sksurv.linear_model": "CoxPHSurvivalAnalysis CoxnetSurvivalAnalysis IPCRidge",
    "sksurv.ensemble": (
        "RandomSurvivalForest ExtraSurvivalTrees GradientBoostingSurvivalAnalysis "
        "ComponentwiseGradientBoostingSurvivalAnalysis"
    ),
    "sksurv.svm": "FastSurvivalSVM FastKernelSurvivalSVM NaiveSurvivalSVM",
    "sksurv.tree": "SurvivalTree ExtraSurvivalTree",
}
_PREPARATION: dict[str, str] = {
    "sklearn.pipeline": "Pipeline FeatureUnion",
    "sklearn.compose": "ColumnTransformer TransformedTargetRegressor",
    "sklearn.preprocessing": (
        "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer PowerTransformer "
        "QuantileTransformer PolynomialFeatures OneHotEncoder OrdinalEncoder LabelEncoder "
        "LabelBinarizer FunctionTransformer"
    ),
    "sklearn.impute": "SimpleImputer MissingIndicator",
    "sklearn.decomposition": "PCA TruncatedSVD FactorAnalysis FastICA NMF",
    "sklearn.cross_decomposition": "PLSRegression PLSCanonical CCA",
    "sklearn.feature_selection": (
        "SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe VarianceThreshold "
        "SelectFromModel RFE RFECV"
    ),
}
_INSIDE: dict[str, str] = {  # what the estimators above are made of
    "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration",
    "sklearn._loss.link": (
        "HalfLogitLink IdentityLink Interval LogitLink LogLink MultinomialLogit"
    ),
    "sklearn._loss.loss": (
        "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss "
        "HalfPoissonLoss HalfSquaredError HalfTweedieLoss HalfTweedieLossIdentity HuberLoss "
        "PinballLoss"
    ),
    "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sksurv.functions": "StepFunction",
    "sksurv.linear_model.coxph": "BreslowEstimator",
    "sksurv.ensemble.survival_loss": ("CoxPH CensoredSquaredLoss IPCWLeastSquaresError"),
    "sksurv.ensemble.boosting": "_ComponentwiseLeastSquares",
}
_LOSSES: dict[str, str] = {
    "sklearn._loss._loss": (
        "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss "
        "CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError CyHalfTweedieLoss "
        "CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss"
    ),
    "sklearn.linear_model._sgd_fast": (
        "EpsilonInsensitive Hinge ModifiedHuber SquaredEpsilonInsensitive SquaredHinge"
    ),
}
_FUNCTIONS: dict[str, str] = {
    "sklearn.feature_selection": (
        "f_classif f_regression chi2 mutual_info_classif mutual_info_regression"
    ),
    "numpy": "log log1p log2 log10 sqrt cbrt exp expm1 tanh arcsinh abs square sign",
}
_DICTS: dict[str, str] = {
    "builtins": "dict",
    "collections": "OrderedDict",
    "sklearn.utils": "Bunch",
    "scipy.optimize": "OptimizeResult",
}
_OURS = ("consilience.fusion", "consilience.nn.sources")
_ENCODERS = "consilience.nn.encoders"
_OUR_MODULES = ("consilience.nn.training", "consilience.nn.weights")  # without torch


@cache
def allowed_nodes() -> Mapping[str, frozenset[str]]:
    """Return, for each kind of node that a model file may hold, the types it may name."""
    objects = _names(_CLASSIFIERS_AND_REGRESSORS, _SURVIVAL, _PREPARATION, _INSIDE)
    numbers = frozenset(_name(kind) for kind in (*np.sctypeDict.values(), np.ndarray))
    return MappingProxyType(
        {
            "ObjectNode": objects | own_types() | encoder_types(),
            "FunctionNode": _names(_FUNCTIONS),
            "LossNode": _names(_LOSSES),
            "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
            "DictNode": _names(_DICTS),
            "ListNode": frozenset({"builtins.list"}),
            "TupleNode": frozenset({"builtins.tuple"}),
            "SliceNode": frozenset({"builtins.slice"}),
            "JsonNode": frozenset({"builtins.str"}),
            "CachedNode": frozenset({"skops.CachedNode"}),
            "NdArrayNode": numbers,
            "DTypeNode": frozenset({"numpy.dtype"}),
            "TypeNode": numbers | {f"builtins.{kind}" for kind in ("str", "int", "float", "bool")},
            "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
            "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator"}),
        }
    )


def with_trusted(trust: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Return the allowed nodes and, as objects, functions and types, what the user trusts."""
    nodes = dict(allowed_nodes())
    for kind in ("ObjectNode", "FunctionNode", "TypeNode"):
        nodes[kind] = nodes[kind] | frozenset(trust)
    return nodes


@cache
def own_types() -> frozenset[str]:
    """Return our own estimators, encoders, sources and tasks."""
    from sklearn.base import BaseEstimator

    from consilience.fusion.task import Task

    modules = list(_OUR_MODULES)
    for package in _OURS:
        path = importlib.import_module(package).__path__
        modules += [item.name for item in pkgutil.iter_modules(path, f"{package}.")]
    found = set()
    for module in modules:
        for thing in vars(importlib.import_module(module)).values():
            ours = isinstance(thing, type) and thing.__module__ == module
            if ours and issubclass(thing, BaseEstimator | Task):
                found.add(_name(thing))
    return frozenset(found)


@cache
def encoder_types() -> frozenset[str]:
    """Return the settings of our networks' encoders, read off their files.

    Importing them would take torch, which a bundle without networks does not need.
    """
    spec = importlib.util.find_spec(_ENCODERS)
    assert spec is not None
    found = set()
    for folder in spec.submodule_search_locations or ():
        for path in Path(folder).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
            names = [node.name for node in classes if "EncoderSettings" in map(_base, node.bases)]
            found |= {f"{_ENCODERS}.{path.stem}.{name}" for name in names}
    return frozenset(found)


def _base(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _names(*tables: dict[str, str]) -> frozenset[str]:
    found = set()
    for table in tables:
        for module, names in table.items():
            source = importlib.import_module(module)
            # One that this version of the library has not cannot be loaded either.
            found |= {_name(getattr(source, n)) for n in names.split() if hasattr(source, n)}
    return frozenset(found)


def _name(thing: type) -> str:
    module = getattr(thing, "__module__", None) or "numpy"  # ufuncs have none in older NumPy
    return f"{module}.{thing.__name__}"
