# A tenant to try things with, and demo.env: what a person or a test needs to speak to this stack.
# shellcheck shell=bash

# The answer is kept, as the secret in it is told only once. A key of this state folder makes the call repeatable:
# if this dies between the call and the write, the next run gets the same answer again.
make_demo_tenant() {
  local kept=$STATE/secrets/demo-tenant.json id
  if [ -s "$kept" ]; then
    id=$(jq -r .id "$kept")
    admin GET "/admin/tenants/$id"
    case $ADMIN_STATUS in
      200)
        # One that was made before there were limits: several people trying things at once should not meet the default one.
        if jq -e '.requests_per_minute == null' >/dev/null <<<"$ADMIN_ANSWER"; then
          admin PATCH "/admin/tenants/$id" '{"requests_per_minute":6000}'
          if [ "$ADMIN_STATUS" != 200 ]; then warn "PATCH /admin/tenants/$id answered $ADMIN_STATUS: the demo tenant keeps the default limit of requests"; fi
        fi
        return ;;
      404) note "the demo tenant is not in this database: making another"   # another database than last time
           rm -f "$kept" "$STATE/secrets/demo-key" ;;
      *) warn "GET /admin/tenants/$id answered $ADMIN_STATUS: keeping the demo tenant unchecked (log: $STATE/logs/api.log)"
         return ;;
    esac
  fi
  make_secret demo-key openssl rand -hex 16
  ADMIN_KEY=$(cat "$STATE/secrets/demo-key") admin POST /admin/tenants '{"name":"Demo","requests_per_minute":6000}'
  case $ADMIN_STATUS in 2??) ;; *) admin_failed "making the demo tenant" ;; esac
  jq -e 'select(.id and .api_key and .api_secret and .publishable_key)
    | {id, api_key, api_secret, publishable_key}' <<<"$ADMIN_ANSWER" | put_secret demo-tenant.json ||
    die "the answer to POST /admin/tenants lacks the tenant's keys." "See $STATE/logs/api.log."
  note "made the demo tenant"
}

# Its owner comes the way that every owner comes: invited by the operator, with the token of a mail. What a run that died
# has done already the next one finds done.
make_demo_member() {
  local kept=$STATE/secrets/demo-member.json id email token
  id=$(jq -r .id "$STATE/secrets/demo-tenant.json")
  if [ "$(jq -r .tenant_id "$kept" 2>/dev/null)" = "$id" ]; then return; fi
  make_secret demo-member-password openssl rand -hex 12
  email=demo-${id##*-}@cvault.invalid
  local -x CVAULT_DEMO_EMAIL=$email CVAULT_DEMO_PASSWORD CVAULT_DEMO_TOKEN   # arguments can be read by every user
  CVAULT_DEMO_PASSWORD=$(cat "$STATE/secrets/demo-member-password")
  admin POST /api/v1/tenant/auth/login "$(jq -nc '{email: env.CVAULT_DEMO_EMAIL, password: env.CVAULT_DEMO_PASSWORD}')"
  if [ "$ADMIN_STATUS" != 200 ]; then
    admin POST "/admin/tenants/$id/invitations" "$(jq -nc '{email: env.CVAULT_DEMO_EMAIL, role: "owner"}')"
    [ "$ADMIN_STATUS" = 201 ] || admin_failed "inviting the demo tenant's owner"
    token=$(mail_to "$email" | grep -oE '^cvt_[A-Za-z0-9_-]+' | tail -n 1) || die "the mail to $email has no token." "See $STATE/mail."
    CVAULT_DEMO_TOKEN=$token
    admin POST /api/v1/tenant/auth/invitations/accept "$(jq -nc '{token: env.CVAULT_DEMO_TOKEN, password: env.CVAULT_DEMO_PASSWORD}')"
    [ "$ADMIN_STATUS" = 201 ] || admin_failed "making the demo tenant's owner"
  fi
  jq -e 'select(.member_id) | {tenant_id, member_id, email: env.CVAULT_DEMO_EMAIL, password: env.CVAULT_DEMO_PASSWORD}' <<<"$ADMIN_ANSWER" | put_secret demo-member.json ||
    die "the answer of the demo owner's sign-in lacks a member." "See $STATE/logs/api.log."
  note "made the demo tenant's owner, $email"
}

write_demo_env() {
  (umask 077
  { printf 'CVAULT_URL=http://127.0.0.1:%s\n' "$API_PORT"
    printf 'CVAULT_PORTAL_URL=http://127.0.0.1:%s\n' "$PORTAL_PORT"
    printf 'CVAULT_METRICS_URL=http://127.0.0.1:%s/metrics\n' "$METRICS_PORT"
    printf 'CVAULT_OPERATOR_TOKEN=%s\n' "$(cat "$STATE/secrets/operator-token")"
    jq -r '"CVAULT_API_KEY=\(.api_key)", "CVAULT_API_SECRET=\(.api_secret)",
      "CVAULT_PUBLISHABLE_KEY=\(.publishable_key)", "CVAULT_TENANT_ID=\(.id)"' "$STATE/secrets/demo-tenant.json"
    jq -r '"CVAULT_MEMBER_EMAIL=\(.email)", "CVAULT_MEMBER_PASSWORD=\(.password)"' "$STATE/secrets/demo-member.json"
    printf 'CVAULT_LAB=%s\n' "$LAB_MODE"
    printf 'CVAULT_MAIL=%q\n' "$STATE/mail"   # the one path in it, so the one value that may need quotes
  } >"$STATE/demo.env.new")
  # It is read by shells: nothing in it may be more than a plain word.
  if grep -v '^CVAULT_MAIL=' "$STATE/demo.env.new" | grep -qvE '^[A-Z_]+=[A-Za-z0-9_:/.+=@-]+$'; then
    rm -f "$STATE/demo.env.new"
    die "a key in the API's answer is no plain word, so demo.env was not written." "Its form: letters, digits and _:/.+=@-"
  fi
  mv "$STATE/demo.env.new" "$STATE/demo.env"
}
