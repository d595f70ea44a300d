"""How sources are combined: one method a file, all with a Cohort as ``X``."""

from consilience.fusion.bilinear_survival import BilinearSurvival
from consilience.fusion.canonical_correlation import CanonicalCorrelation
from consilience.fusion.co_attention_survival import CoAttentionSurvival
from consilience.fusion.cooperative import CooperativeLearning
from consilience.fusion.cooperative_backfitting import CooperativeBackfitting
from consilience.fusion.cross_modal_transformer import CrossModalTransformer
from consilience.fusion.distillation import DistilledFusion
from consilience.fusion.early import EarlyFusion
from consilience.fusion.factor_model import MOFA
from consilience.fusion.feature_graph_fusion import FeatureGraphFusion
from consilience.fusion.graph_fusion import GraphFusion
from consilience.fusion.intermediate import IntermediateFusion
from consilience.fusion.joint_nmf import JointNMF
from consilience.fusion.kernel_learning import MultipleKernelLearning
from consilience.fusion.late import LateFusion
from consilience.fusion.multimodal_autoencoder import MultimodalAutoencoder
from consilience.fusion.multimodal_vae import MultimodalVAE
from consilience.fusion.pretraining import Pretraining
from consilience.fusion.similarity_network import SimilarityNetworkFusion
from consilience.fusion.single import SingleModality
from consilience.fusion.sparse_cca import SparseCCA
from consilience.fusion.sparse_pls import BlockSparsePLS
from consilience.fusion.sparse_pls_da import BlockSparsePLSDA
from consilience.fusion.stacked import StackedFusion
from consilience.fusion.subtypes import Subtypes
from consilience.fusion.tuned_fusion import TunedFusion
from consilience.fusion.two_block_pls import TwoBlockPLS

__all__ = [
    "MOFA",
    "BilinearSurvival",
    "BlockSparsePLS",
    "BlockSparsePLSDA",
    "CanonicalCorrelation",
    "CoAttentionSurvival",
    "CooperativeBackfitting",
    "CooperativeLearning",
    "CrossModalTransformer",
    "DistilledFusion",
    "EarlyFusion",
    "FeatureGraphFusion",
    "GraphFusion",
    "IntermediateFusion",
    "JointNMF",
    "LateFusion",
    "MultimodalAutoencoder",
    "MultimodalVAE",
    "MultipleKernelLearning",
    "Pretraining",
    "SimilarityNetworkFusion",
    "SingleModality",
    "SparseCCA",
    "StackedFusion",
    "Subtypes",
    "TunedFusion",
    "TwoBlockPLS",
]
