/** An answer that is an error: the other side's name, message and stack. */
export class ChannelError extends Error {}

/** What JSON can represent. */
export type Json = null | boolean | number | string | Json[] | {[key: string]: Json};
/** One shard, or the shard that has a guild; without either all others. */
export interface To { shard?: number; guild?: string | number | bigint }
export interface Stats {
  /** Bytes. */
  memory?: {heapUsed?: number; heapTotal?: number; rss?: number; external?: number};
  /** Since the start. */
  numMessages?: number;
  /** Milliseconds. */
  ping?: number;
}
export interface Handlers {
  eval?(script: string): unknown;
  fetch?(path: string): unknown;
  stats?(): Stats | Promise<Stats>;
  request?(data: Json, from: number): unknown;
  message?(data: Json, from: number): void;
}
export interface Permit {
  /** CLOCK_MONOTONIC in milliseconds. */
  until: number;
  /** The IDENTIFY was sent just now. */
  sent(): void;
  /** Gives the permit back. */
  cancel(): void;
}
export type GatewayEvent = 'identify_sent' | 'ready' | 'resumed' | 'invalid_session' | 'closed' | 'gave_up' | 'figures';

/** The channel to this bot's agent; make it once. */
export class Channel {
  /** Throws if this process does not run under `smaster agent`. */
  constructor();
  readonly shardId: number;
  readonly shardCount: number;
  /** All shard ids of this process. */
  readonly shards: number[];
  /** Beside discord.js leave eval, fetch and stats out: its client answers them. */
  handle(handlers: Handlers): this;
  ready(): void;
  disconnected(): void;
  reconnecting(): void;
  resumed(): void;
  eval(script: string): Promise<Json[]>;
  eval(script: string, to: {shard: number}): Promise<Json>;
  fetch(path: string): Promise<Json[]>;
  fetch(path: string, of: {shard: number}): Promise<Json>;
  sql(query: string): Promise<Json>;
  writeFile(name: string): Promise<Json>;
  /** `mtime`: unix milliseconds. */
  getFile(name: string, options?: {mtime?: number}): Promise<Json>;
  /** Milliseconds. */
  respawnAll(options?: {shardDelay?: number; timeout?: number}): void;
  reboot(words?: string): void;
  /** The number of receivers. */
  send(data: Json, to?: To): Promise<number>;
  /** `timeout`: milliseconds. */
  request(data: Json, to?: To & {timeout?: number}): Promise<Json>;
  asksBeforeLogins(library?: string): void;
  identify(shard: number): Promise<Permit>;
  gateway(shard: number, event: GatewayEvent, more?: {[key: string]: Json}): void;
}
