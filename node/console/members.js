// members.js - the members, and the leadership.
import { el, ask, say } from './dom.js';
import { post } from './api.js';
import { leaderOf } from './alerts.js';
import { members } from './overview.js';
import { t } from './words.js';

export const view = {
  name: 'members',
  ofCluster: true,
  poll: () => true,
  render(state, data, again) {
    const transfer = async () => {
      if (await ask(t('transfer'), el('p', { text: t('suretransfer') }), t('transfer'), t('leave'), { danger: true }) === null) return;
      await post('/v1/transfer').then(() => say(t('done')), state.failed);
      again();
    };
    return [el('h2', { text: t('members') }), members(state.cluster, leaderOf(state.cluster)),
      el('p', {}, el('button', { type: 'button', class: 'danger', text: t('transfer'), on: { click: transfer } }))];
  },
};
