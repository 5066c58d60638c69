"""Adapters that locate the heads and feed-forward blocks of each architecture.

The rest of the library uses an adapter. Only :mod:`supertickets.encoder.first_token` has code of single architectures,
which an adapter names.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

from supertickets.errors import UserError


@dataclass(frozen=True)
class Architecture:
    """Names inside one family of encoders. Module paths are relative to a layer unless stated otherwise.

    Attributes:
        config_class, model_class: ``module:class`` of transformers.
        prefix: name of the encoder in the family's models with a task head, and therefore in weight files.
        layers: path of the list of layers in the model.
        head_inputs: projections whose output rows belong to heads; a model may lack some of them.
        head_output: projection whose input columns belong to heads.
        ffn_inner: first linear map of a feed-forward block.
        ffn_product: last linear map of the block, whose output a mask variable multiplies before the residual add.
        ffn_parts: modules that are removed with a pruned block, each with its replacement: ``identity``, ``zero``, or
            ``norm`` of the residual.
        ffn_norm: the norm that a pruned block keeps, if it is inside one of these modules.
        ffn_matrices: number of matrices of a block, each hidden times inner width.
        dimensions: keys of the model's config for layers, heads, hidden and inner width.
        fused: number of projections stacked in each of ``head_inputs``.
        pooler: path in the model of the pooler, which turns a sentence's state into the input of the task head. Empty
            if the model has none: the classifier then has its own, named ``pooler`` in weight files.
        pooler_class: ``module:class`` of such an own pooler; if empty, a linear map and ``pooler_activation``.
        pooler_activation: a function of torch.nn.functional.
        pooler_source: name of the own pooler in pre-trained weight files.
        plain: where pooler and task head are in the family's own model for classification: beginnings of the names of
            weights, ours and theirs, where they differ. That model has to compute what a classifier does.
        fixed: keys of configs, with their values, that decide what that model computes after the encoder.
        last_layer: a row of :data:`~supertickets.encoder.first_token.LAST_LAYERS`, whose function computes the last
            layer for first tokens alone. Empty if it is computed whole, as it is where ``packed`` is false.
        final: path in the model of a norm after the last layer; empty if there is none.
        token_types: whether the model takes token types.
        positions_after_padding: whether positions start after the padding token's id instead of at 0.
        positions: values of ``position_embedding_type`` in configs that do not ask for other positions.
        masks: kinds of attention masks that the model builds for its windows; none is built for packed sentences.
        packed: whether the attention function comes from transformers' table, so that sentences can be packed.
        shared_bias: whether one bias for each head is passed to the attention of every layer, as third argument.
    """

    config_class: str
    model_class: str
    prefix: str
    layers: str
    head_inputs: tuple[str, ...]
    head_output: str
    ffn_inner: str
    ffn_product: str
    ffn_parts: tuple[tuple[str, Literal["identity", "zero", "norm"]], ...]
    ffn_norm: str = ""
    ffn_matrices: int = 2
    dimensions: tuple[str, ...] = ("num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size")
    fused: int = 1
    pooler: str = ""
    pooler_class: str = ""
    pooler_activation: str = ""
    pooler_source: str = ""
    plain: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    last_layer: str = ""
    final: str = ""
    token_types: bool = True
    positions_after_padding: bool = False
    positions: tuple[str, ...] = ("absolute",)
    masks: tuple[str, ...] = ()
    packed: bool = True
    shared_bias: bool = False

    @property
    def attention(self) -> str:
        """Path of the attention module."""
        return self.head_inputs[0].rpartition(".")[0]

    @property
    def pooler_name(self) -> str:
        """Name of the pooler in the classifier, and therefore in weight files."""
        return f"{self.prefix}.{self.pooler}" if self.pooler else "pooler"

    def projections(self, names: Container[str]) -> list[str]:
        """The ``head_inputs`` that a layer with these modules has."""
        return [path for path in self.head_inputs if path in names]

    def first_position(self, config: Mapping[str, Any]) -> int:
        """Number of a sentence's first position, according to the model's config."""
        return config.get("pad_token_id", 1) + 1 if self.positions_after_padding else 0


def load_classes(*paths: str) -> list[Any]:
    """Import classes of transformers, each given as ``module:class``."""
    return [getattr(import_module(module), name) for module, _, name in (path.partition(":") for path in paths)]


def _classes(family: str, module: str) -> dict[str, str]:
    """The classes of a family in transformers."""
    path = f"transformers.models.{module}"
    config, model = f"{path}.configuration_{module}:{family}Config", f"{path}.modeling_{module}:{family}Model"
    return {"config_class": config, "model_class": model}


BERT = Architecture(
    **_classes("Bert", "bert"),
    prefix="bert",
    layers="encoder.layer",
    head_inputs=("attention.self.query", "attention.self.key", "attention.self.value"),
    head_output="attention.output.dense",
    ffn_inner="intermediate.dense",
    ffn_product="output.dense",
    ffn_parts=(("intermediate", "identity"), ("output", "norm")),
    ffn_norm="output.LayerNorm",
    pooler="pooler",
    last_layer="bert",
)
ROBERTA = replace(
    BERT,
    **_classes("Roberta", "roberta"),
    prefix="roberta",
    plain={"roberta.pooler.": "classifier.", "classifier.": "classifier.out_proj."},
    positions_after_padding=True,
)
ELECTRA = replace(
    BERT,
    **_classes("Electra", "electra"),
    prefix="electra",
    pooler="",
    pooler_activation="gelu",
    plain={"pooler.": "classifier.", "classifier.": "classifier.out_proj."},
)
MPNET = replace(
    BERT,
    **_classes("MPNet", "mpnet"),
    prefix="mpnet",
    head_inputs=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
    head_output="attention.attn.o",
    plain={"mpnet.pooler.": "classifier.", "classifier.": "classifier.out_proj."},
    last_layer="",
    token_types=False,
    positions_after_padding=True,
    packed=False,
    shared_bias=True,
)
DEBERTA_V2 = replace(
    ELECTRA,
    **_classes("DebertaV2", "deberta_v2"),
    prefix="deberta",
    head_inputs=tuple(f"attention.self.{name}_proj" for name in ("query", "key", "value", "pos_key", "pos_query")),
    plain={},
    fixed={"pooler_hidden_act": "gelu"},
    last_layer="",
    packed=False,
)
DISTILBERT = Architecture(
    **_classes("DistilBert", "distilbert"),
    prefix="distilbert",
    layers="transformer.layer",
    head_inputs=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    head_output="attention.out_lin",
    ffn_inner="ffn.lin1",
    ffn_product="ffn.lin2",
    ffn_parts=(("ffn", "zero"),),
    dimensions=("n_layers", "n_heads", "dim", "hidden_dim"),
    pooler_activation="relu",
    plain={"pooler.dense.": "pre_classifier."},
    token_types=False,
)
MODERNBERT = Architecture(
    **_classes("ModernBert", "modernbert"),
    prefix="model",
    layers="layers",
    head_inputs=("attn.Wqkv",),
    fused=3,
    head_output="attn.Wo",
    ffn_inner="mlp.Wi",
    ffn_product="mlp.Wo",
    ffn_parts=(("mlp", "zero"), ("mlp_norm", "identity")),
    ffn_matrices=3,
    pooler_class="transformers.models.modernbert.modeling_modernbert:ModernBertPredictionHead",
    pooler_source="head",
    plain={"pooler.": "head."},
    final="final_norm",
    token_types=False,
    positions=("absolute", "sans_pos"),  # both are in configs, and neither is read
    masks=("full_attention", "sliding_attention"),
)

#: Adapters by ``model_type`` in the model's config.json.
ARCHITECTURES: dict[str, Architecture] = {
    "bert": BERT,
    "roberta": ROBERTA,
    "electra": ELECTRA,
    "mpnet": MPNET,
    "distilbert": DISTILBERT,
    "deberta-v2": DEBERTA_V2,  # also DeBERTa v3
    "modernbert": MODERNBERT,
}

#: Optional keys of a model's config whose values are whole numbers, each with its least value.
WHOLE = {
    "vocab_size": 1, "max_position_embeddings": 1, "type_vocab_size": 0, "pad_token_id": 0,
    "global_attn_every_n_layers": 1,
}  # fmt: skip


def architecture_of(config: Mapping[str, Any], origin: str) -> Architecture:
    """The adapter for a model's config.

    Args:
        config: content of the model's ``config.json``.
        origin: the file of the config, for the message.

    Raises:
        UserError: the architecture is not covered (lists the covered ones), the model is a decoder, or a value of
            :data:`WHOLE` is impossible.
    """
    if not isinstance(config, Mapping):
        raise UserError(f"{origin}: not a model's config, which is an object with keys")
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
        covered = ", ".join(sorted(ARCHITECTURES))
        raise UserError(f"{origin}: model_type is {model_type!r}; the architectures covered are: {covered}")
    if config.get("is_decoder"):
        raise UserError(f"{origin}: is_decoder is true; only encoders, whose tokens attend to all others, are covered")
    for key in WHOLE.keys() & config.keys():
        _require_whole(config, key, WHOLE[key], origin)
    return ARCHITECTURES[model_type]


def dimensions_of(config: Mapping[str, Any], architecture: Architecture, origin: str) -> tuple[int, int, int, int]:
    """Layers, heads, hidden and inner width of an encoder, from its config.

    Args:
        config: content of the model's ``config.json``.
        architecture: its adapter.
        origin: the file of the config, for the message.

    Raises:
        UserError: a dimension is missing or impossible.
    """
    missing = [name for name in architecture.dimensions if name not in config]
    if missing:
        raise UserError(f"{origin} has no {', '.join(missing)}")
    for name in architecture.dimensions:
        _require_whole(config, name, 1, origin)
    layers, heads, hidden, inner = (config[name] for name in architecture.dimensions)
    if hidden % heads:
        raise UserError(f"{origin} says {heads} heads and width {hidden}, which is not a multiple of the heads")
    return layers, heads, hidden, inner


def _require_whole(config: Mapping[str, Any], key: str, least: int, origin: str) -> None:
    if type(config[key]) is not int or config[key] < least:
        raise UserError(f"{origin} says {key} {config[key]!r:.80}; a whole number from {least} is needed")
