"""The event bus and the audit trail: two ways to read the one journal.

Everything that happens to a batch, an execution or a worker is in the store's journal. The bus
calls handlers as events are journaled; the audit trail answers questions about what was. Neither
keeps events of its own, so both tell the same story, after a restart and from another process.
"""

from wtb.events.audit import AuditTrail
from wtb.events.bus import EventBus
from wtb.events.event import Event
from wtb.events.subscription import Handler, Subscription

__all__ = ["AuditTrail", "Event", "EventBus", "Handler", "Subscription"]
