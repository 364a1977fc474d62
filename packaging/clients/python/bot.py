#!/usr/bin/env python3
"""A bot in Python without a Discord library: shows all functions of the channel.

    smaster agent --config shard_abc_config.json --project-dir . -- python3 bot.py

With discord.py, pass `shard_id` and `shard_count` below to its Client, and call `channel.ready()` in on_ready.
"""
import resource
import signal
import threading

from smaster_channel import Channel


class Bot:
    """The object that scripts access as `bot` (and `this`, as in JavaScript)."""

    def __init__(self, channel):
        self.channel = channel
        self.id = channel.shard_id
        self.count = channel.shard_count
        self.language = "Python"
        self.messages = 0

    def stats(self):
        self.messages += 1
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"memory": {"heapUsed": used, "heapTotal": used, "rss": used, "external": 0},
                "numMessages": self.messages, "ping": 42}

    def fetch(self, path):
        value = self
        for part in path.split("."):
            value = getattr(value, part)
        return value


channel = Channel()
bot = Bot(channel)
channel.on_eval = lambda script: eval(script, {"bot": bot, "this": bot})
channel.on_fetch = bot.fetch
channel.on_stats = bot.stats
channel.on_request = lambda data, sender: {"you said": data, "you are": sender, "I am": bot.id}
channel.on_message = lambda data, sender: print(f"shard {sender} says {data!r}", flush=True)
channel.start()
channel.ready()
print(f"the Python bot runs as shard {bot.id} of {bot.count}", flush=True)

stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
stopped.wait()
print("the Python bot ends", flush=True)
