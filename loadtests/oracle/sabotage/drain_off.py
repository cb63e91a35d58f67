"""Leaves at once when told to stop. Caught by counting the requests that were sent and never answered."""

import os
from typing import NoReturn

from tropa_collector import app
from tropa_collector.__main__ import main


class _Rude(app.Collector):
    async def stop(self) -> NoReturn:
        os._exit(0)


if __name__ == "__main__":
    app.Collector = _Rude  # type: ignore[misc] # that is the sabotage
    main()
