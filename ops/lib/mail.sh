# The mail sink: takes every mail that CVault sends here and delivers none.
# shellcheck shell=bash

# Sets MAIL_PORT. A running sink is kept unless its program changed; a new one takes the remembered port if it is still free.
start_mail_sink() {
  local pid
  MAIL_PORT=$(remembered_port CVAULT_MAIL_PORT 0)
  if pid=$(running mail-sink); then
    if [ "$SINK_FOLDER" = "$(cat "$STATE/run/mail-sink.settings" 2>/dev/null)" ]; then return; fi
    stop_process mail-sink TERM 5
  fi
  if [ "$MAIL_PORT" = 0 ] || [ -n "$(port_holder "$MAIL_PORT")" ]; then MAIL_PORT=$(free_port); fi
  mkdir -p "$STATE/mail"; chmod 700 "$STATE/mail"   # there are one-time tokens in mails
  start_process mail-sink dotnet "$SINK_FOLDER/CVault.MailSink.dll" "$MAIL_PORT" "$STATE/mail"
  printf '%s\n' "$SINK_FOLDER" >"$STATE/run/mail-sink.settings"
  remember_port CVAULT_MAIL_PORT "$MAIL_PORT"
}

# mail_to ADDRESS: the text of the latest mail to it, once there is one.
mail_to() {
  local file
  for _ in $(seq 100); do
    file=$(cd "$STATE/mail" && printf '%s\n' [0-9]*-"$1".eml | sort -n | tail -n 1)
    if [ -e "$STATE/mail/$file" ]; then cat "$STATE/mail/$file"; return; fi
    sleep 0.2
  done
  die "no mail came to $1 within 20 s." "See $STATE/logs/mail-sink.log and $STATE/logs/api.log."
}
