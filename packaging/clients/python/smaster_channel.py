"""The channel from a bot to its smaster agent, for Python 3.8 and later. One file without dependencies.

    from smaster_channel import Channel

    channel = Channel()
    channel.on_eval = lambda script: eval(script, {"client": client})
    channel.start()
    channel.ready()
    print(channel.eval("1 + 1"))        # in all bots: [2, 2, ...]
    print(channel.sql("SELECT 1 AS one"))

Requests block until their answer and raise ChannelError if it is an error; with asyncio, use
`await asyncio.to_thread(channel.sql, query)`. The callbacks run on threads of their own. The protocol is described in
smaster-channel(7).
"""
import json
import os
import socket
import threading
import traceback


class ChannelError(Exception):
    """An answer that is an error, with the other side's `name`, `message` and `stack`."""

    def __init__(self, name, message, stack=""):
        super().__init__(f"{name}: {message}")
        self.name, self.message, self.stack = name, message, stack


def _plain_error(error):
    stack = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"name": type(error).__name__, "message": str(error), "stack": stack}


def _unsupported(*_):
    raise NotImplementedError("not supported by this bot")


class Permit:
    """The right to send one IDENTIFY, until `until`: CLOCK_MONOTONIC in milliseconds, as time.monotonic() counts."""

    def __init__(self, channel, shard, number, until):
        self._channel, self._shard, self._number, self.until = channel, shard, number, until

    def sent(self):
        """The IDENTIFY was sent just now."""
        self._channel.gateway(self._shard, "identify_sent", ask=self._number)

    def cancel(self):
        """Gives the permit back."""
        self._channel._send({"_sIdentify": self._shard, "_sId": self._number, "cancel": True})


class Channel:
    """The channel that the agent has opened for this process; create it once."""

    def __init__(self):
        number = os.environ.pop("SMASTER_CHANNEL_FD", None)
        for name in ("NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE"):
            os.environ.pop(name, None)  # programs started by this one have no channel
        if number is None:
            raise RuntimeError("SMASTER_CHANNEL_FD is not set: run this bot under \"smaster agent\"")
        os.set_inheritable(int(number), False)
        self._socket = socket.socket(fileno=int(number))
        self._write_lock = threading.Lock()
        self._waiting = {}
        self._next_id = 0
        self.shard_id = int(os.environ["SHARD_ID"])
        self.shard_count = int(os.environ["SHARD_COUNT"])
        self.shards = json.loads(f"[{os.environ.get('SHARDS', '').strip('[]')}]") or [self.shard_id]
        self.on_eval = _unsupported  # script -> result
        self.on_fetch = _unsupported  # path such as "guilds.size" -> value
        self.on_stats = dict  # -> {"memory": {...}, "numMessages": n, "ping": ms}, or part of it
        self.on_request = _unsupported  # data, id of the sender's shard -> reply
        self.on_message = lambda data, sender: None  # data, id of the sender's shard
        self.on_close = lambda: os._exit(0)  # the agent has ended: so must the bot

    def start(self):
        """Starts reading, on a thread of its own."""
        threading.Thread(target=self._read, name="smaster-channel", daemon=True).start()

    # Reports of the bot.

    def ready(self):
        self._send({"_ready": True})

    def disconnected(self):
        self._send({"_disconnect": True})

    def reconnecting(self):
        self._send({"_reconnecting": True})

    def resumed(self):
        self._send({"_resume": True})

    # Requests of the bot.

    def eval(self, script, shard=None):
        """Runs a script in the bot of one shard; or in all, which returns a list of their results."""
        return self._ask({"_sEval": script, **({} if shard is None else {"_sEvalShard": shard})})

    def fetch(self, path, shard=None):
        """The value at a path of the client of one shard; or a list of the values of all."""
        return self._ask({"_sFetchProp": path, **({} if shard is None else {"_sFetchPropShard": shard})})

    def sql(self, query):
        """Runs a query on the master's database."""
        return self._ask({"_sSQL": query})

    def write_file(self, name):
        """Sends a file of the project directory to the master."""
        return self._ask({"_sWriteFile": name})

    def get_file(self, name, mtime=None):
        """Fetches a file into the project directory, if the master's is newer than `mtime` (unix ms)."""
        return self._ask({"_sGetFile": name, **({} if mtime is None else {"_sGetFileM": mtime})})

    def respawn_all(self, **options):
        """Restarts all bots one after another. Options in milliseconds: shardDelay, timeout."""
        self._send({"_sRespawnAll": {"shardDelay": 5000, "timeout": 30000, **options}})

    def reboot(self, words=""):
        """Requests a reboot from the master, in its syntax: "hard", "3 7 force"."""
        self._send(f"reboot {words}".rstrip())

    def send(self, data, shard=None, guild=None):
        """Sends data to a shard, to the shard of a guild, or to all others; returns the number of receivers."""
        return self._ask({"_sMessage": data, "_sTo": self._address(shard, guild)})

    def request(self, data, shard=None, guild=None, timeout=15.0):
        """The same, and returns the reply; for all others, a list of {"shard": n, "result": ...} or with "error"."""
        return self._ask({"_sRequest": data, "_sTo": self._address(shard, guild), "_sTimeout": int(timeout * 1000)})

    # Logins. Not needed with discord.py and its forks, which the agent's hooks let ask.

    def asks_before_logins(self, library="own"):
        """Declares that this bot asks before each login. Otherwise its starts wait for each other."""
        self._send({"_sHooks": {"version": 1, "library": library, "identify": True, "gateway": True}})

    def identify(self, shard):
        """Waits until this shard may log in, however long that takes. Send the IDENTIFY at once, then call `sent()` of
        what this returns; or give the permit back with its `cancel()`. ChannelError: the shard must not log in."""
        number = self._number()
        until = self._ask({"_sIdentify": shard}, number)["until"]
        return Permit(self, shard, number, until)

    def gateway(self, shard, event, **more):
        """Reports a gateway event: ready (guilds), resumed, invalid_session (resumable), closed (code), gave_up (code)."""
        self._send({"_sGateway": {"shard": shard, "event": event, **more}})

    # Implementation.

    @staticmethod
    def _address(shard, guild):
        if guild is not None:
            return {"guild": str(guild)}
        return "all" if shard is None else {"shard": shard}

    def _send(self, message):
        line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        with self._write_lock:
            self._socket.sendall(line)

    def _number(self):
        with self._write_lock:
            self._next_id += 1
            return self._next_id

    def _ask(self, message, number=None):
        number = number or self._number()
        done = threading.Event()
        entry = self._waiting[number] = [done, None]
        self._send({**message, "_sId": number})
        done.wait()
        answer = entry[1]
        if answer is None:
            raise ChannelError("Error", "the agent closed the channel")
        error = answer.get("_error")
        if error:
            raise ChannelError(error.get("name", "Error"), error.get("message", ""), error.get("stack", ""))
        return answer.get("_result")

    def _read(self):
        try:
            with self._socket.makefile("r", encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    message = json.loads(line)
                    if isinstance(message, dict):
                        self._take(message)
        except (OSError, ValueError):
            pass
        for entry in list(self._waiting.values()):
            entry[0].set()
        self.on_close()

    def _take(self, message):
        number = message.get("_sReply", message.get("_sId"))
        if number is not None:
            entry = self._waiting.pop(number, None)
            if entry:
                entry[1] = message
                entry[0].set()
        elif "_eval" in message:
            script = message["_eval"]
            work = self.on_stats if script.rstrip() == "this.getStats(true)" else lambda: self.on_eval(script)
            self._answer({"_eval": script}, work)
        elif "_fetchProp" in message:
            self._answer({"_fetchProp": message["_fetchProp"]}, lambda: self.on_fetch(message["_fetchProp"]))
        elif "_request" in message:
            self._answer({"_reply": message["_id"]}, lambda: self.on_request(message["_request"], message["_from"]))
        elif "_message" in message:
            threading.Thread(target=self.on_message, args=(message["_message"], message["_from"]), daemon=True).start()

    def _answer(self, head, work):
        def run():
            try:
                answer = {**head, "_result": work()}
                json.dumps(answer)  # a result that JSON cannot represent is an error of the bot
            except Exception as error:
                answer = {**head, "_error": _plain_error(error)}
            self._send(answer)

        threading.Thread(target=run, daemon=True).start()
