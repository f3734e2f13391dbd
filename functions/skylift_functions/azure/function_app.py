"""The function app: what calls each function, and nothing else.

All functions share this module, and on some plans a process. So it imports none of them: each is imported by its first
invocation, and brings only what it needs.
"""

from __future__ import annotations

import azure.functions as func

from skylift_functions.azure.platform import CONNECTION, QUEUES, TICKS

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""Anonymous as far as Azure goes: the API asks for its own keys, and webhooks for their signatures."""


@app.function_name("api")
@app.route("api/{*path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
async def api(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    from skylift_functions.azure.api import answer_to

    return await answer_to(req, context)


@app.function_name("trigger")
@app.route("hooks/{id}", methods=["POST", "OPTIONS"])
def trigger(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    from skylift_functions.azure.trigger import answer_to

    return answer_to(req, context)


@app.function_name("schedule")
@app.timer_trigger("timer", TICKS, run_on_startup=False, use_monitor=True)
def schedule(timer: func.TimerRequest, context: func.Context) -> None:
    from skylift_functions.azure.schedule import tick

    tick(context)


@app.function_name("schedule_wakeup")
@app.queue_trigger("message", QUEUES["schedule"], CONNECTION)
def schedule_wakeup(message: func.QueueMessage) -> None:
    from skylift_functions.azure.schedule import wake

    wake(message)


@app.function_name("dispatch")
@app.queue_trigger("message", QUEUES["dispatch"], CONNECTION)
def dispatch(message: func.QueueMessage) -> None:
    from skylift_functions.azure.dispatch import wake

    wake(message)


@app.function_name("observe")
@app.queue_trigger("message", QUEUES["observe"], CONNECTION)
def observe(message: func.QueueMessage) -> None:
    from skylift_functions.azure.observe import wake

    wake(message)


@app.function_name("observe_event")
@app.event_grid_trigger("event")
def observe_event(event: func.EventGridEvent) -> None:
    from skylift_functions.azure.observe import listen

    listen(event)
