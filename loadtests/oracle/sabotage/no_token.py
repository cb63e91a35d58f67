"""Takes any write key for the admin token. Caught by the matrix of routes and credentials."""

from starlette.requests import Request

from tropa_collector.__main__ import main
from tropa_collector.admin import auth


class _Trusting(auth.RequireToken):
    def _allowed(self, request: Request) -> bool:
        return super()._allowed(request) or "wk_" in request.headers.get("authorization", "")


if __name__ == "__main__":
    from tropa_collector.admin import api

    api.RequireToken = _Trusting  # type: ignore[attr-defined] # that is the sabotage
    main()
