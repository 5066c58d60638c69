"""The tokenizer of an encoder: its ``tokenizer.json`` as it is, compared with what transformers makes of the folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from supertickets.errors import UserError, blamed_on, message
from supertickets.experiment.missing_files import SAVE_TOKENIZER

log = logging.getLogger(__name__)

#: Texts of which tokenizers make different tokens if they differ in case, accents, punctuation or scripts.
PROBES = ("Good Film", "Ünïcode café", "it's NOT  3.14", "电影 a film")
#: What to do where tokenizer.json and the class of tokenizer_config.json differ, in the encoder's own folder.
REMEDY = message(
    f"where the class is right, run in the encoder's own folder: {SAVE_TOKENIZER}; where tokenizer.json is, write "
    '"tokenizer_class": "PreTrainedTokenizerFast" in tokenizer_config.json'
)


def read_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a folder, whose tokens are those of its ``tokenizer.json``.

    Raises:
        UserError: the files make no tokenizer.
    """
    with blamed_on(f"{folder}: tokenizer.json and tokenizer_config.json make no tokenizer"):
        # The tokenizer class of a family would read only the vocabulary from the file and rebuild everything else.
        return PreTrainedTokenizerFast.from_pretrained(folder)


def unknown_token(tokenizer: PreTrainedTokenizerFast) -> int | None:
    """Id of the token that stands for what is not in the vocabulary; None if there is none."""
    model = tokenizer.backend_tokenizer.model
    name = getattr(model, "unk_token", None) or tokenizer.unk_token
    return tokenizer.backend_tokenizer.token_to_id(name) if name else None


def compare(
    tokenizer: PreTrainedTokenizerFast, folder: Path, texts: Sequence[str], pairs: Sequence[str] | None, types: bool
) -> None:
    """Compare a tokenizer with transformers' own class for its folder, and log differences.

    Args:
        tokenizer: of :func:`read_tokenizer`.
        folder: the encoder's config and tokenizer.
        texts: some of the task's texts.
        pairs: of each the second text, where examples are pairs.
        types: whether the encoder has several token types.

    Raises:
        UserError: it lacks tokens that mark the beginning and the end of a text, which the class adds or
            ``tokenizer_config.json`` names. A sentence's state is that of its first token.
    """
    if tokenizer.init_kwargs.get("auto_map"):
        log.warning("tokenizer_config.json names custom code (auto_map), which is not run")
    marks = tokenizer.num_special_tokens_to_add(pair=pairs is not None)
    try:
        with blamed_on(f"{folder}: AutoTokenizer of transformers makes no tokenizer"):
            theirs = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            wanted = theirs.num_special_tokens_to_add(pair=pairs is not None)
    except UserError as error:
        log.warning("%s; tokens are those of tokenizer.json", error)
        theirs, wanted = None, marks
    name = type(theirs).__name__
    if marks < wanted:
        what = f"tokenizer.json adds {marks} special tokens to an example, and {name} of tokenizer_config.json {wanted}"
        raise UserError(f"{folder}: {what}; {REMEDY}")
    if not marks and (first := tokenizer.cls_token):
        what = f"tokenizer_config.json names the cls_token {first!r:.80}, which tokenizer.json does not add to texts"
        remedy = "give tokenizer.json a post-processor; if the encoder was trained without one, remove cls_token"
        raise UserError(f"{folder}: {what}; {remedy}")
    if theirs is None:
        return
    given = types and "token_type_ids" in theirs.model_input_names  # without, a model of transformers takes 0
    differing = []
    seconds = [None] * (len(PROBES) + len(texts)) if pairs is None else [*PROBES[::-1], *pairs]
    for text, pair in zip([*PROBES, *texts], seconds, strict=True):
        own, other = _tokens_of(tokenizer, text, pair, types), _tokens_of(theirs, text, pair, given)
        if own != other:
            differing.append(f"{text!r:.60}: {other!s:.100}, not {own!s:.100}")
    if differing:
        what = "other tokens (or token types) than tokenizer.json, whose tokens are taken"
        log.warning("%s makes %s, of %d texts, such as %s; %s", name, what, len(differing), differing[0], REMEDY)


def _tokens_of(
    tokenizer: PreTrainedTokenizerBase, text: str, pair: str | None, types: bool
) -> tuple[list[int], list[int]] | None:
    """Ids of an example and their types, which are 0 if not asked for; None if the tokenizer fails."""
    with suppress(UserError), blamed_on("no tokens"):
        tokens = tokenizer(text, pair, return_token_type_ids=types)
        return tokens["input_ids"], tokens["token_type_ids"] if types else [0] * len(tokens["input_ids"])
    return None
