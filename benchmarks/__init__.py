"""Speed measured against peers, and what it costs in scores."""
