"""What the verbs share that make runs beside others."""

from typing import Annotated

import typer

LeaseSeconds = Annotated[
    float,
    typer.Option(min=0.1, help="Silence after which a worker's run is taken over by another."),
]
