"""How much a full or cut encoder computes for an example."""

from __future__ import annotations

from supertickets.encoder.ticket import Shape


def multiply_adds(shape: Shape, heads: float, blocks: float, tokens: int, outputs: int) -> float:
    """Multiply-adds of the matrix products for one example, by the encoder's dimensions.

    With t tokens, width d, a head's width d_h, inner width d_ff, m_h matrices of a head and m_f of a block (4 and 2 in
    BERT), h heads and b blocks kept in all layers together, and k outputs::

        t d (m_h d_h h + m_f d_ff b)  projections and feed-forward blocks
        + 2 t^2 d_h h                 scores of attention, and sums weighted by them
        + d^2 + d k                   pooler and task head, of one state

    Source: Hoffmann et al., Training Compute-Optimal Large Language Models, 2022, appendix F, which counts two
    operations for each multiply-add. Embeddings are looked up, so they do not count, nor do norms, softmax and
    activation functions. Left out are also ELECTRA's map from narrow embeddings, MPNet's and DeBERTa's products with
    relative positions, and that ModernBERT's windows need fewer scores.

    Args:
        shape: of the full encoder.
        heads, blocks: numbers of attention heads and feed-forward blocks that are kept, or means of such numbers.
        tokens: of the example, t.
        outputs: number of classes, 1 for regression.
    """
    of_head = shape.hidden // shape.heads
    matrices = shape.head_matrices * of_head * heads + shape.ffn_matrices * shape.ffn * blocks
    attention = 2 * tokens**2 * of_head * heads
    return tokens * shape.hidden * matrices + attention + shape.hidden * (shape.hidden + outputs)
