"""Makes discord.py and its forks request a permit from smaster's agent before each login, and reports the gateway's state
to the agent: smaster-channel(7), "Logins". Loaded by sitecustomize.py, for Python 3.8 and later.

Does nothing before such a library is imported, so that programs that only start the bot (poetry, pipenv) pass on their
environment and channel unchanged. The channel is a single stream that the bot may use, too (smaster_channel.py): the bot
gets one end of a socket pair instead, and all lines that are not for the hooks are passed on.
"""
import asyncio
import atexit
import concurrent.futures
import functools
import importlib
import json
import os
import platform
import select
import selectors
import socket
import sys
import threading
import time
from importlib import machinery

VERSION = 1
CMD = "NODE_SMASTER"  # Node.js keeps such messages from a bot's own listeners; Python has the same for one protocol
PACKAGES = ("discord", "nextcord", "disnake")
HELLO_TIMEOUT = 20.0  # from the hello; at least HELLO_LEAST from the first wait for it
HELLO_LEAST = 5.0
ASK_AGAIN = 5.0  # after an error
FIGURES = 10.0
MEASURE = 0.25  # how often the loop's delay is measured
CHANGES = 20  # maximum number reported per shard within FIGURES
LATE = 1000  # ms: an unused permit is returned this long before it expires
FINAL_CODES = frozenset((4004, 4010, 4011, 4012, 4013, 4014))  # the gateway will never accept this login
UNREAD_AT_MOST = 64 << 20  # bytes buffered for a bot that does not read its channel


def monotonic():
    """CLOCK_MONOTONIC in ms: the same for all processes of a host."""
    return int(time.monotonic() * 1000)


class Relay:
    """Shares the channel with the bot: lines with CMD are for the hooks, all others are passed on."""

    def __init__(self, number, on_line, on_end):
        os.set_inheritable(number, False)
        self._agent = socket.socket(fileno=number)
        self._bot, bots_end = socket.socketpair()
        self._bot.setblocking(False)
        self._on_line, self._on_end = on_line, on_end
        self._unread = bytearray()
        self._lock = threading.Lock()
        bots_end.set_inheritable(True)
        for name in ("SMASTER_CHANNEL_FD", "NODE_CHANNEL_FD"):
            if name in os.environ:
                os.environ[name] = str(bots_end.fileno())
        bots_end.detach()
        atexit.register(self._drain)
        threading.Thread(target=self._run, name="smaster-hooks", daemon=True).start()

    def send(self, line):
        try:
            with self._lock:
                self._agent.sendall(line)
        except OSError:
            pass  # the agent has ended: reading detects that

    def _run(self):
        from_agent, from_bot = bytearray(), bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._agent, selectors.EVENT_READ)
            selector.register(self._bot, selectors.EVENT_READ)
            while True:
                for key, ready in selector.select():
                    if key.fileobj is self._agent:
                        if not self._pass(self._agent, from_agent, self._from_agent):
                            self._bot.close()
                            self._on_end()
                            return
                    elif ready & selectors.EVENT_READ and not self._pass(self._bot, from_bot, self.send):
                        self._bot_gone = True
                        selector.unregister(self._bot)
                        break
                    self._write(selector)

    _bot_gone = False

    def forked(self):
        self._lock = threading.Lock()
        self._agent.close()  # this end; the parent keeps its own
        self._bot_gone = True

    @staticmethod
    def _pass(source, buffer, take):
        """Passes on whole lines; false at the end of the stream."""
        try:
            data = source.recv(1 << 16)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            return False
        buffer += data
        if b"\n" in data:
            lines = buffer.split(b"\n")
            buffer[:] = lines.pop()
            for line in lines:
                take(bytes(line) + b"\n")
        return True

    def _from_agent(self, line):
        if CMD.encode() in line:
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if isinstance(message, dict) and message.get("cmd") == CMD:
                return self._on_line(message)
        if not self._bot_gone and len(self._unread) < UNREAD_AT_MOST:
            self._unread += line

    def _write(self, selector):
        if self._bot_gone:
            return
        try:
            while self._unread:
                del self._unread[: self._bot.send(self._unread)]
        except BlockingIOError:
            pass
        except OSError:
            self._unread.clear()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unread else 0)
        selector.modify(self._bot, events)

    def _drain(self):
        """Before the process ends: passes on what the bot wrote last."""
        end = time.monotonic() + 1
        try:
            while not self._bot_gone and time.monotonic() < end and select.select([self._bot], [], [], 0)[0]:
                time.sleep(0.01)
        except (OSError, ValueError):
            pass
        with self._lock:
            pass


class Agent:
    """The agent, at the other end of the channel."""

    def __init__(self, number):
        self.active = False
        self._runtime = f"python {platform.python_version()}"
        self._hello = concurrent.futures.Future()
        self._hello_until = time.monotonic() + HELLO_TIMEOUT
        self._answers = {}
        self._next_ask = 1
        self._lock = threading.Lock()
        self._said = set()
        self._gone = False
        self._relay = Relay(number, self._take, self._end)
        self._unsaid = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)
        self.send({"_sHooks": {"version": VERSION, "runtime": self._runtime}})

    def _forked(self):
        """In a child: the thread that reads the channel is in the parent only, so nothing is asked here."""
        self._lock = threading.Lock()  # the parent's may be held
        self._relay.forked()
        self._hello = concurrent.futures.Future()
        self._hello.set_result(False)
        self.active, self._gone = False, True
        self._answers = {}

    def client_made(self):
        """The bot has a client: this process is the one that logs in, not only the parent of others."""
        unsaid, self._unsaid = self._unsaid, []
        for hello in unsaid:
            self.send({"_sHooks": hello})

    def send(self, message):
        self._relay.send(json.dumps({"cmd": CMD, **message}, separators=(",", ":")).encode() + b"\n")

    def found(self, library, identify, gateway, why=None):
        """Reports once what can be done for a library."""
        hello = {"version": VERSION, "runtime": self._runtime, "library": library, "identify": identify, "gateway": gateway}
        if why:
            hello["why"] = why
        line = json.dumps(hello)
        if line not in self._said:
            self._said.add(line)
            if identify:
                self._unsaid.append(hello)  # said when it makes a client
            else:
                self.send({"_sHooks": hello})

    async def answered(self):
        """Whether there is an agent that supports these messages: true, or false after the timeout."""
        if not self._hello.done():
            left = max(HELLO_LEAST, self._hello_until - time.monotonic())
            try:
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._hello)), left)
            except asyncio.TimeoutError:
                self._settle(False)
        return self._hello.result() and not self._gone

    async def ask(self, shard):
        """The number of the request, and a future of its answer: None if the agent has ended."""
        answer = concurrent.futures.Future()
        with self._lock:
            number = self._next_ask
            self._next_ask += 1
            self._answers[number] = answer
            if self._gone:
                answer.set_result(None)
        self.send({"_sIdentify": shard, "_sId": number})
        return number, asyncio.wrap_future(answer)

    def withdraw(self, shard, number):
        with self._lock:
            self._answers.pop(number, None)
        self.send({"_sIdentify": shard, "_sId": number, "cancel": True})

    def _settle(self, good):
        with self._lock:
            if not self._hello.done():
                self.active = good
                self._hello.set_result(good)

    def _take(self, message):
        hello = message.get("_sHooks")
        if isinstance(hello, dict) and hello.get("version") == VERSION:
            self._settle(True)
        with self._lock:
            answer = self._answers.pop(message.get("_sId"), None)
        if answer is not None and answer.set_running_or_notify_cancel():
            answer.set_result(message)

    def _end(self):
        self.active = False
        self._settle(False)
        with self._lock:
            self._gone = True
            answers = list(self._answers.values())
            self._answers.clear()
        for answer in answers:
            if answer.set_running_or_notify_cancel():
                answer.set_result(None)


class Shard:
    """The state of a shard, and its permit to log in. Its methods run on the bot's event loop."""

    def __init__(self, agent, number):
        self.id = number
        self._agent = agent
        self._ask = None  # [number, until]: until is None without an answer
        self._changes = 0
        self._guilds = set()
        self._state = "connecting"
        self._code = None
        self._figured = False
        self._sent_at = 0
        self._last_event = 0
        self._figures = {"ping": -1, "acksMissed": 0, "events": 0, "logins": 0, "resumes": 0}

    async def allowed(self):
        """Waits until the shard may log in: true; false without an agent."""
        if not await self._agent.answered():
            return False
        self._begin()
        if self._ask and self._ask[1] is not None and monotonic() < self._ask[1] - LATE:
            return True  # the permit was requested in advance
        try:
            while True:
                self.withdraw()
                self._state = "waiting"
                number, answer = await self._agent.ask(self.id)
                self._ask = [number, None]
                message = await answer
                if message is None:
                    self._ask = None
                    return False
                result = message.get("_result")
                until = result.get("until") if isinstance(result, dict) else None
                if not isinstance(until, (int, float)):
                    self._ask = None
                    await asyncio.sleep(ASK_AGAIN)
                elif monotonic() < until:
                    self._ask[1] = until
                    late = (until - monotonic() - LATE) / 1000
                    asyncio.get_running_loop().call_later(max(0.0, late), self._give_back, number)
                    return True
        except asyncio.CancelledError:
            self.withdraw()
            raise

    def _give_back(self, number):
        if self._ask and self._ask[0] == number:
            self.withdraw()

    def withdraw(self):
        """Returns an unused request or permit."""
        if self._ask:
            self._agent.withdraw(self.id, self._ask[0])
            self._ask = None

    def identified(self):
        """An IDENTIFY was written."""
        self._figures["logins"] += 1
        self._state = "identifying"
        ask = {"ask": self._ask[0]} if self._ask else {}
        self._ask = None
        self._tell("identify_sent", {**ask, "at": monotonic()})

    def resuming(self):
        self._state = "resuming"

    def beat(self):
        self._figures["acksMissed"] += 1
        self._sent_at = monotonic()

    def acknowledged(self, seconds):
        self._figures["acksMissed"] = 0
        if 0 <= seconds < 86400:
            self._figures["ping"] = round(seconds * 1000)

    def event(self, name):
        self._figures["events"] += 1
        self._last_event = monotonic()
        if name == "RESUMED":
            self._figures["resumes"] += 1
            self._up("resumed", {})

    def ready(self, data):
        self._guilds = {guild.get("id") for guild in data.get("guilds", ())}
        self._up("ready", {"guilds": len(self._guilds)})

    def guild_here(self, data):
        self._guilds.add(data.get("id"))

    def guild_gone(self, data):
        if not data.get("unavailable"):
            self._guilds.discard(data.get("id"))

    def _up(self, event, more):
        self._state = "ready"
        self._code = None
        self._tell(event, more)

    def invalid_session(self):
        self._tell("invalid_session", {"resumable": False})

    def closed(self, code):
        """The connection was lost. Reported once, not for every reconnection that fails in the same way."""
        self._figures["acksMissed"] = 0
        self._state = "disconnected"
        if self._code == code:
            return
        self._code = code
        self._tell("closed", {"code": code})
        if code in FINAL_CODES:
            self._state = "refused"
            self._tell("gave_up", {"code": code})

    def _begin(self):
        """Sends the first figures at once: the agent notices when they cease, also if the bot hangs before it is logged in."""
        if not self._figured and self._agent.active:
            self.tell_figures(-1)

    def _tell(self, event, more):
        self._begin()
        self._changes += 1
        always = event in ("identify_sent", "ready")
        if self._agent.active and (always or self._changes <= CHANGES):
            self._agent.send({"_sGateway": {"shard": self.id, "event": event, **more}})

    def tell_figures(self, loop_delay):
        self._figured = True
        self._changes = 0
        last = monotonic() - self._last_event if self._last_event else -1
        self._agent.send({"_sGateway": {"shard": self.id, "event": "figures", "state": self._state, **self._figures,
                                        "lastEvent": last, "guilds": len(self._guilds), "loopDelay": loop_delay}})


class Shards:
    """The shards of this process, by id; figures are reported from the first one on."""

    def __init__(self, agent):
        self._agent = agent
        self._shards = {}
        self._longest = 0.0
        self._loop = None

    def get(self, number):
        number = 0 if number is None else number  # a bot without sharding
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the first one, or that of another asyncio.run()
            self._loop = loop
            loop.call_later(MEASURE, self._measure, loop, loop.time(), loop.time() + FIGURES)
        if number not in self._shards:
            self._shards[number] = Shard(self._agent, number)
        return self._shards[number]

    def _measure(self, loop, before, figures_at):
        now = loop.time()
        self._longest = max(self._longest, now - before - MEASURE)
        if now >= figures_at:
            figures_at = now + FIGURES
            if self._agent.active:
                for shard in self._shards.values():
                    shard.tell_figures(round(self._longest * 1000))
            self._longest = 0.0
        loop.call_later(MEASURE, self._measure, loop, now, figures_at)


class Parsers(dict):
    """A websocket's functions for events, by name: the library looks one up for each event."""

    def __init__(self, parsers, shard):
        super().__init__(parsers)
        self._shard = shard
        for name, seen in (("READY", shard.ready), ("GUILD_CREATE", shard.guild_here), ("GUILD_DELETE", shard.guild_gone)):
            if name in parsers:
                super().__setitem__(name, self._both(seen, parsers[name]))

    @staticmethod
    def _both(seen, parse):
        def both(data):
            seen(data)
            return parse(data)

        return both

    def __getitem__(self, name):
        self._shard.event(name)
        return super().__getitem__(name)


def has(kind, *names):
    return all(callable(getattr(kind, name, None)) for name in names)


class Hooks:
    """The hooks of a library, which has the structure of discord.py's modules `gateway`, `client` and `shard`."""

    def __init__(self, package):
        self._package = package
        self._agent = self._shards = self._library = None

    def gateway_loaded(self, module):
        if not self._begin():
            return
        websocket, keep_alive = getattr(module, "DiscordWebSocket", None), getattr(module, "KeepAliveHandler", None)
        reconnect = getattr(module, "ReconnectWebSocket", None)
        known = (has(websocket, "from_client", "identify", "resume", "poll_event", "send_heartbeat") and has(keep_alive, "ack")
                 and reconnect is not None and isinstance(websocket.__dict__["from_client"], classmethod))
        if not known:
            self._agent.found(self._library, False, False, "this version is not known")
            self._shards = None
            return
        shards, hooks = self._shards, self
        from_client, identify = websocket.__dict__["from_client"].__func__, websocket.identify
        resume, poll_event, send_heartbeat, ack = websocket.resume, websocket.poll_event, websocket.send_heartbeat, keep_alive.ack

        async def our_from_client(cls, client, *args, **options):
            hooks.check_client(client)
            shard = shards.get(options.get("shard_id"))
            try:
                return await from_client(cls, client, *args, **options)
            except BaseException:
                shard.withdraw()
                raise

        def observe(self):
            shard = shards.get(self.shard_id)
            if not isinstance(self._discord_parsers, Parsers):
                self._discord_parsers = Parsers(self._discord_parsers, shard)
            return shard

        async def our_identify(self):
            shard = observe(self)
            await identify(self)
            shard.identified()

        async def our_resume(self):
            observe(self).resuming()
            await resume(self)

        async def our_poll_event(self):
            try:
                return await poll_event(self)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                shard = shards.get(self.shard_id)
                login = isinstance(error, reconnect) and not error.resume
                if login:
                    shard.invalid_session()
                shard.closed(getattr(self, "_close_code", None) or self.socket.close_code or 1006)
                if login and hooks.asks:
                    await shard.allowed()  # here, unlike while it connects, the library has no time limit
                raise

        async def our_send_heartbeat(self, data):
            shards.get(self.shard_id).beat()
            return await send_heartbeat(self, data)

        def our_ack(self):
            ack(self)
            shards.get(self.shard_id).acknowledged(self.latency)

        websocket.from_client = classmethod(our_from_client)
        websocket.identify, websocket.resume = our_identify, our_resume
        websocket.poll_event, websocket.send_heartbeat, keep_alive.ack = our_poll_event, our_send_heartbeat, our_ack

    asks = True

    def client_loaded(self, module):
        client = getattr(module, "Client", None)
        if self._shards is None:
            return
        if not has(client, "before_identify_hook", "connect"):
            self._agent.found(self._library, False, True, "this version is not known")
            self.asks = False
            return
        shards, hooks = self._shards, self
        before, connect, init = client.before_identify_hook, client.connect, client.__init__

        async def before_identify_hook(self, shard_id, *, initial=False):
            if not await shards.get(shard_id).allowed():
                await before(self, shard_id, initial=initial)

        async def our_connect(self, *args, **options):
            hooks.check_client(self)
            if hooks.asks:
                await shards.get(self.shard_id).allowed()
            return await connect(self, *args, **options)

        def our_init(self, *args, **options):
            hooks._agent.client_made()
            init(self, *args, **options)

        self._ours = client.before_identify_hook = before_identify_hook
        client.connect, client.__init__ = our_connect, functools.wraps(init)(our_init)
        self._agent.found(self._library, True, True)

    def shard_loaded(self, module):
        client = getattr(module, "AutoShardedClient", None)
        if self._shards is None or not has(client, "launch_shard"):
            return
        shards, hooks, launch_shard = self._shards, self, client.launch_shard

        async def our_launch_shard(self, gateway, shard_id, *args, **options):
            hooks.check_client(self)
            if hooks.asks:
                await shards.get(shard_id).allowed()
            return await launch_shard(self, gateway, shard_id, *args, **options)

        client.launch_shard = our_launch_shard

    def check_client(self, client):
        if self.asks and type(client).before_identify_hook is not self._ours:
            self.asks = False
            self._agent.found(self._library, False, True, "the bot has a before_identify_hook of its own")

    def _begin(self):
        """Takes over the channel; false if there is none."""
        if surveyor is not None:
            self._agent, self._shards = surveyor, Shards(surveyor)
            self._name_library()
            return True
        number = os.environ.get("SMASTER_CHANNEL_FD", "")
        if os.environ.get("SMASTER_HOOKS") != "1" or not number.isdigit():
            return False
        restore_environment()
        self._agent = Agent(int(number))
        self._shards = Shards(self._agent)
        self._name_library()
        return True

    def _name_library(self):
        version = getattr(sys.modules.get(self._package), "__version__", "")
        self._library = f"{distribution(self._package)} {version}".strip()


def distribution(package):
    """The package's name for users: py-cord, too, is imported as `discord`."""
    if package != "discord":
        return package
    try:
        from importlib import metadata

        return metadata.metadata("py-cord")["Name"]
    except ImportError:  # PackageNotFoundError is one
        return "discord.py"


def restore_environment():
    """Restores the user's environment for programs that the bot starts."""
    os.environ.pop("SMASTER_HOOKS", None)
    here = os.path.dirname(os.path.abspath(__file__))

    def keep(name, value):
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)

    first, _, rest = os.environ.get("PYTHONPATH", "").partition(os.pathsep)
    if first and os.path.abspath(first) == here:
        keep("PYTHONPATH", rest)
    ours = f'--require "{os.path.join(os.path.dirname(here), "node.js")}"'
    options = os.environ.get("NODE_OPTIONS", "")
    if options.startswith(ours):
        keep("NODE_OPTIONS", options[len(ours):].lstrip())


class Finder:
    """Finds modules as usual, and hooks the libraries' modules when they are loaded."""

    def __init__(self):
        self._seen = {}
        for package in PACKAGES:
            hooks = Hooks(package)
            self._seen.update({f"{package}.gateway": hooks.gateway_loaded, f"{package}.client": hooks.client_loaded,
                               f"{package}.shard": hooks.shard_loaded})

    def find_spec(self, name, path=None, target=None):
        seen = self._seen.get(name)
        if seen is None:
            return None
        spec = machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        exec_module = spec.loader.exec_module

        def exec_and_look(module):
            exec_module(module)
            try:
                seen(module)
            except Exception as error:  # a bot must start even if the hooks fail
                print(f"smaster: {name} cannot be hooked: {error!r}", file=sys.stderr)

        spec.loader.exec_module = exec_and_look
        return spec


class Surveyor:
    """Used without an agent: prints, as lines of JSON, what can be done for a library."""

    active = False

    def found(self, library, identify, gateway, why=None):
        hello = {"library": library, "identify": identify, "gateway": gateway}
        if why:
            hello["why"] = why
        print(json.dumps({"_sHooks": hello}), flush=True)

    def survey(self, bot):
        """Loads each library from the bot's folder, without the bot."""
        sys.path.insert(0, os.path.dirname(os.path.abspath(bot)))
        for package in PACKAGES:
            if machinery.PathFinder.find_spec(package) is None:
                continue
            try:
                importlib.import_module(package)
            except Exception as error:  # a library may raise anything
                self.found(package, False, False, f"it cannot be loaded: {error}")


surveyor = Surveyor() if os.environ.get("SMASTER_HOOKS") == "survey" and __name__ == "__main__" else None
sys.meta_path.insert(0, Finder())
if surveyor is not None:
    surveyor.survey(sys.argv[1] if len(sys.argv) > 1 else "bot.py")
