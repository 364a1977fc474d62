// Discord's data about a bot, its application and its guilds, as far as the libraries read it.

export const APPLICATION_ID = '1100000000000000000';
export const USER_ID = '1100000000000000001';
const OWNER_ID = '1100000000000000002';
const JOINED = '2024-01-01T00:00:00.000000+00:00';

export function user() {
  return {
    id: USER_ID, username: 'stand-in', discriminator: '0000', global_name: null, avatar: null, banner: null, accent_color: null, bot: true, system: false,
    mfa_enabled: false, verified: true, locale: 'en-US', email: null, flags: 0, public_flags: 0, premium_type: 0, avatar_decoration_data: null, clan: null,
  };
}

export function application() {
  return {
    id: APPLICATION_ID, name: 'stand-in', icon: null, description: '', summary: '', type: null, hook: true, bot_public: true, bot_require_code_grant: false, verify_key: '00',
    flags: 565248, owner: {id: OWNER_ID, username: 'owner', discriminator: '0', global_name: null, avatar: null, public_flags: 0, flags: 0}, team: null, tags: [],
    rpc_origins: [], redirect_uris: [], interactions_endpoint_url: null, role_connections_verification_url: null, approximate_guild_count: 0, cover_image: null,
  };
}

/** The bot's guild number `index`; its shard is `(index + 1000) % count`. */
export function guildId(index) {
  return String(BigInt(index + 1000) << 22n);
}

export function shardOf(index, count) {
  return (index + 1000) % count;
}

/** The body of GUILD_CREATE. */
export function guild(index) {
  const id = guildId(index);
  return {
    id, name: `guild ${index}`, icon: null, splash: null, discovery_splash: null, banner: null, description: null, owner_id: OWNER_ID, region: 'deprecated',
    afk_channel_id: null, afk_timeout: 300, widget_enabled: false, widget_channel_id: null, verification_level: 0, default_message_notifications: 0,
    explicit_content_filter: 0, mfa_level: 0, nsfw_level: 0, nsfw: false, application_id: null, system_channel_id: null, system_channel_flags: 0,
    rules_channel_id: null, public_updates_channel_id: null, safety_alerts_channel_id: null, vanity_url_code: null, premium_tier: 0, premium_subscription_count: 0,
    premium_progress_bar_enabled: false, preferred_locale: 'en-US', max_presences: null, max_members: 500000, max_video_channel_users: 25, max_stage_video_channel_users: 50,
    hub_type: null, incidents_data: null, latest_onboarding_question_id: null, joined_at: JOINED, large: false, unavailable: false, member_count: 2,
    features: [], emojis: [], stickers: [], soundboard_sounds: [], channels: [channel(index)], threads: [], voice_states: [], presences: [], stage_instances: [],
    guild_scheduled_events: [], activity_instances: [], embedded_activities: [],
    roles: [{id, name: '@everyone', permissions: '104324673', color: 0, colors: {primary_color: 0, secondary_color: null, tertiary_color: null}, hoist: false, icon: null,
      unicode_emoji: null, managed: false, mentionable: false, position: 0, flags: 0, tags: undefined}],
    members: [{user: user(), nick: null, avatar: null, banner: null, roles: [], joined_at: JOINED, premium_since: null, deaf: false, mute: false, flags: 0, pending: false,
      communication_disabled_until: null}],
  };
}

export function channelId(index) {
  return String((BigInt(index + 1000) << 22n) + 1n);
}

function channel(index) {
  return {
    id: channelId(index), type: 0, name: 'general', position: 0, parent_id: null, topic: null, nsfw: false, last_message_id: null, rate_limit_per_user: 0, flags: 0,
    permission_overwrites: [], default_auto_archive_duration: 1440, last_pin_timestamp: null,
  };
}

/** The body of MESSAGE_CREATE in a guild. */
export function message(index, id, content) {
  return {
    id: String(id), type: 0, channel_id: channelId(index), guild_id: guildId(index), content, timestamp: new Date().toISOString(), edited_timestamp: null, tts: false,
    mention_everyone: false, mentions: [], mention_roles: [], attachments: [], embeds: [], components: [], pinned: false, flags: 0, nonce: null,
    author: {id: OWNER_ID, username: 'owner', discriminator: '0', global_name: null, avatar: null, public_flags: 0, clan: null, avatar_decoration_data: null},
    member: {nick: null, avatar: null, banner: null, roles: [], joined_at: JOINED, premium_since: null, deaf: false, mute: false, flags: 0, pending: false, communication_disabled_until: null},
  };
}
