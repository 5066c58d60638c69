"""Predict what the GLUE server asks for."""

from supertickets.entry import run
from supertickets.server_predictions import predict_for_server

if __name__ == "__main__":
    run(predict_for_server)
