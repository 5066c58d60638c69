"""The model card of an exported model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from supertickets.evaluation.latency import SPEEDUP, TIMES, machine_text, place_text

#: What stands in the map of units for one that is kept, and for one that is pruned.
KEPT, PRUNED = "#", "."

TEMPLATE = """---
library_name: transformers
pipeline_tag: text-classification
{licence}---

# {task}: {what} of {model}

{trained}. {metric} on {split}: {score}. Weight remaining: {weight:.1%}.

## Texts in, labels out

```python
from transformers import pipeline

classify = pipeline("text-classification", model="dense", truncation=True)
print(classify({texts}))
```

`dense/` has the full sizes, with zeros for what is pruned, and loads wherever transformers does. `cut/` computes the
same without the pruned units. It needs transformers 5.17 or newer: `model="cut", trust_remote_code=True` runs the
module beside its weights, and `supertickets.load("cut")` loads the model without that. Texts are cut to {length}
tokens, as in training.

## Scores

{scores}

In points, computed in {precision}. In parentheses: 95% intervals, of this model over examples (or their documents), and
of means over seeds (Student's t, from three seeds on). {choice} \
One answer to all examples scores {chance} ({metric}, {split}).{repeated}{int8}

## Speed

{speed}

Milliseconds for a batch of `cut/`, median{faster}, with 95% intervals over rounds. Sentences have the same length, and
tokenising is not timed. Measured on {machine}; other machines differ.

## Verdict

Pruning {model} on {task}, margin {margin:g}: {verdict}.{fixed}

{gain}

## Units

{weight:.1%} of the weights remain, in {parameters:,} parameters. `{kept}` is kept, `{pruned}` is pruned.

```
{units}
```

## Origins

{origins}
"""


def card_of(content: Mapping[str, Any]) -> str:
    """The card in Markdown, with the front matter that model hubs read.

    Args:
        content: of ``verdict.json`` (:func:`supertickets.exports.describe.describe_export`).
    """
    where = (content["split"], content["metric"])
    own = next(row for row in content["scores"] if (row["split"], row["metric"]) == where)
    licence, size = content["origins"]["model"].get("licence"), content["train_size"]
    differs, elsewhere = content["differs_from_run"], content["origins"]["model"].get("full", "")
    given, run = elsewhere and content["which"] == "full", content["run"]
    trained = "Trained on all training examples" if size == "all" else f"Trained on {size} training examples"
    choice = (
        f"This is seed {run['seed']}, the best of {content['seeds']} on validation, which\nflatters its score there."
    )
    fixed = (
        f" The full model was {elsewhere}: the verdict is about\nthis one, not about others that are trained like it."
    )
    return TEMPLATE.format(
        **{
            key: content[key]
            for key in ("task", "model", "metric", "split", "seeds", "margin", "verdict", "parameters", "precision")
        },
        licence=f"license: {licence.lower()}\n" if licence else "",
        what="super ticket" if content["which"] == "super" else "full model",
        trained=elsewhere.capitalize() if given else trained,
        score=_number(own, "value", "low", "high"),
        weight=content["weight_remaining"],
        texts='{"text": "a text", "text_pair": "another"}' if content["pairs"] else '["a text", "another text"]',
        length=content["max_length"],
        scores=_table(content["scores"]),
        choice="This model is the same at every seed." if given else choice,
        fixed=fixed if elsewhere else "",
        chance=f"{content['chance']:.1f}",
        repeated=f" Trained once more for this export, its outputs differ from those of the run by up to {differs:.1g}."
        * (differs > 0),
        int8=_int8(content["int8"]) if "int8" in content else "",
        speed=_speed(content["latency"]["measured"], content["which"] == "super"),
        faster=", and the full model's time over it" * (content["which"] == "super"),
        machine=machine_text(content["latency"]["machine"]),
        gain=_gain(content),
        kept=KEPT,
        pruned=PRUNED,
        units="\n".join(map_of(content["ticket"])),
        origins="\n".join(_origins(content)),
    )


def map_of(ticket: Mapping[str, Any]) -> Iterator[str]:
    """Lines with a character for each head of a layer, and one for its feed-forward block."""
    count = ticket["heads_per_layer"]
    yield f"layer  {'heads':{count}}  block"
    for layer, heads in enumerate(ticket["heads"]):
        marks = "".join(KEPT if head in heads else PRUNED for head in range(count))
        yield f"{layer + 1:5}  {marks:5}  {KEPT if layer in ticket['ffn'] else PRUNED}"


def _number(row: Mapping[str, Any], name: str, low_name: str, high_name: str, spec: str = ".1f") -> str:
    """A number with its interval, where there is one."""
    value, low, high = (row[key] for key in (name, low_name, high_name))
    if value is None:
        return "undefined"
    return f"{value:{spec}}" + (f" ({low:{spec}} to {high:{spec}})" if low is not None else "")


def _table(scores: Sequence[Mapping[str, Any]]) -> str:
    """The scores by split and metric."""
    columns = {"this model": ("value", "low", "high")}
    columns |= {
        f"{what}, mean": (name, f"{name}_low", f"{name}_high")
        for what, name in (("its ratio", "mean"), ("full", "full"))
    }
    lines = [f"| split | metric | examples | {' | '.join(columns)} |", "|---|---|--:" + "|--:" * len(columns) + "|"]
    for row in scores:
        numbers = " | ".join(_number(row, *names) for names in columns.values())
        lines.append(f"| {row['split']} | {row['metric']} | {row['examples']} | {numbers} |")
    return "\n".join(lines)


def _int8(report: Mapping[str, Any]) -> str:
    """What the model scores in int8, as a paragraph."""
    difference = {**report, "low": report["difference_low"], "high": report["difference_high"]}
    return (
        f"\n\nIn int8 (`model.int8.onnx`) it scores {_number(report, 'value', 'low', 'high')}, "
        f"{_number(difference, 'difference', 'low', 'high', '+.1f')} points from this model ({report['metric']}, "
        f"{report['split']})."
    )


def _speed(measured: Sequence[Mapping[str, Any]], cut: bool) -> str:
    """Measured latency by what computes, batch size and length; with speed-ups for a cut model."""
    heads = ["computed by", "batch", "tokens", "milliseconds", *["speed-up"] * cut]
    lines = [f"| {' | '.join(heads)} |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    for row in measured:
        cells = [place_text(row), str(row["batch_size"]), str(row["length"]), _number(row, *TIMES, ".2f")]
        cells += [_number(row, *SPEEDUP, ".2f")] * cut
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _gain(content: Mapping[str, Any]) -> str:
    """What choosing a ticket gains, without the bias of the choice."""
    gain = content["gain"]
    if gain["difference"] is None:
        return "What a super ticket gains over the full model is undefined."
    interval = "" if gain["low"] is None else f" ({gain['low']:+.1f} to {gain['high']:+.1f})"
    return (
        f"What a super ticket gains over the full model, each seed's being chosen by the other seeds on validation: "
        f"{gain['difference']:+.1f}{interval} points on {content['split']}."
    )


def _origins(content: Mapping[str, Any]) -> Iterator[str]:
    """Lines on encoder, data and versions."""
    for what, origin in (("Encoder", content["origins"]["model"]), ("Data", content["origins"]["data"])):
        licence = origin.get("licence", "not known here")
        yield f"- {what}: {origin['source']}. Licence: {licence}."
    yield f"- Made with {', '.join(f'{name} {version}' for name, version in content['versions'].items())}."
