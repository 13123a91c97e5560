"""A client program as a child process, ended by its own process id."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.interop.toolchain import Client, build, environment
from tests.interop.transcript import WAIT_S, Transcript
from tests.support.daemon import Daemon


@asynccontextmanager
async def running(
    client: Client, daemon: Daemon, *options: str, tls: bool = False, key: str | None = None
) -> AsyncIterator[Transcript]:
    """Run the client against the daemon; its lines."""
    process = await asyncio.create_subprocess_exec(
        *client.run,
        *options,
        cwd=build(client),
        env={
            **environment(),
            "DROPCOPY_GRPC": daemon.info["grpc_tls" if tls else "grpc"],
            "DROPCOPY_API_KEY": key or daemon.info["api_key"],
            "DROPCOPY_ACCOUNT": daemon.info["account_id"],
            **({"DROPCOPY_CA": daemon.info["ca"]} if tls else {}),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )

    async def next_line() -> bytes:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            _, errors = await process.communicate()
            raise AssertionError(f"{client.name} ended: {errors.decode()[-2000:]}")
        return line

    try:
        transcript = Transcript(next_line)
        yield transcript
        if transcript.lines and "end" in transcript.lines[-1]:
            async with asyncio.timeout(WAIT_S):
                await process.wait()  # a program whose call has ended ends by itself
    finally:
        if process.returncode is None:
            process.kill()
        async with asyncio.timeout(WAIT_S):
            await process.communicate()
