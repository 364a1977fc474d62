"""A minimal bot with discord.py: one client for one shard, or for several where SHARDS is a list."""
import asyncio
import json
import os

import discord
import yarl

discord.http.Route.BASE = os.environ["DISCORD_API"]
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY"])

shards = json.loads(os.environ["SHARDS"])
count = int(os.environ["SHARD_COUNT"])
intents = discord.Intents(guilds=True, guild_messages=True)
if isinstance(shards, list):
    client = discord.AutoShardedClient(intents=intents, shard_ids=shards, shard_count=count)
else:
    client = discord.Client(intents=intents, shard_id=shards, shard_count=count)


@client.event
async def on_ready():
    print(f"ready: {len(client.guilds)} guilds", flush=True)


@client.event
async def on_resumed():
    print("resumed", flush=True)


@client.event
async def on_error(name, *_):
    print(f"an error in {name}", flush=True)


asyncio.run(client.start(os.environ["DISCORD_TOKEN"]))
