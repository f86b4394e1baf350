"""How a coordinator becomes one of a cluster that NATS joins. What it does there is member.py's."""

from ..access import Access
from .member import Member, Plan
from .nats_store import NatsStore
from .nats_transport import NatsTransport
from .servers import settled


async def join(servers: list[str], access: Access, plan: Plan) -> Member:
    """Raises ClusterError when there is no NATS that does what is needed."""
    plan.guards.check(plan.deterministic)
    member = Member(await NatsTransport.open(servers), access, lambda: NatsStore(servers), plan)
    await settled(member.agree, "what the coordinators have in common")
    return member
