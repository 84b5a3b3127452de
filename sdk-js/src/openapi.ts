// Made by scripts/openapi.mjs of openapi.json. Do not edit.
export interface paths {
    "/api/v1/auth/external": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["signInExternal"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["loginUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["logoutUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/oidc": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["signInByIdToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["changePassword"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/password/forgot": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["forgotPassword"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/password/reset": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["resetPassword"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["refreshTokens"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["registerUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/verify": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["verifyUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/devices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listDevices"];
        put?: never;
        post: operations["registerDevice"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/devices/{deviceId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getDevice"];
        put?: never;
        post?: never;
        delete: operations["revokeDevice"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/devices/{deviceId}/config": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getDeviceConfig"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/devices/{deviceId}/rotate-key": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["rotateKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/servers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listAvailableServers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getUsage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["listUsers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/users/{userId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getUser"];
        put?: never;
        post?: never;
        delete: operations["deleteUser"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/vpn/connect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["connect"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/vpn/disconnect": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post: operations["disconnect"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/vpn/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get: operations["getStatus"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Body of `auth/password`. */
        ChangeUserPassword: {
            current_password?: null | string;
            new_password?: null | string;
        };
        /** @description Body of `POST /api/v1/vpn/connect`. */
        Connect: {
            /**
             * Format: uuid
             * @description One of the user's devices.
             */
            device_id?: null | string;
            /** @description Where to connect to; absent: the device's home server, or for a parked device wherever there is most room. */
            server_region?: null | string;
        };
        /** @description A session that has begun. */
        ConnectedView: {
            assigned_ip: string;
            /** @description The config to use from now on, where the device moved to another server or had none; else null. */
            config?: null | string;
            /** Format: uuid */
            device_id: string;
            peer_status?: string;
            server_ip: string;
            /** Format: int32 */
            server_port: number;
            server_region: string;
            /** Format: uuid */
            session_id: string;
            status?: string;
        };
        /** @description A user who is no more. */
        DeletedUserView: {
            /** Format: uuid */
            id: string;
            status: string;
        };
        /** @description A device's config as JSON. */
        DeviceConfigView: {
            config: string;
            /** @description False for a device that brought its own key. */
            contains_private_key: boolean;
            /** Format: uuid */
            device_id: string;
        };
        /** @description One page of devices. */
        DevicesView: {
            devices: components["schemas"]["DeviceView"][];
            next_cursor?: null | string;
        };
        /** @description A device of the logged-in user. One that has been parked has no address and no server until it connects. */
        DeviceView: {
            assigned_ip?: null | string;
            assigned_ipv6?: null | string;
            /** Format: date-time */
            created_at: string;
            /** Format: uuid */
            device_id: string;
            device_name: string;
            key_custody: string;
            public_key: string;
            /** Format: uuid */
            server_id?: null | string;
            status: string;
        };
        DisconnectedView: {
            /**
             * Format: int32
             * @description How many ended.
             */
            ended: number;
            /**
             * Format: uuid
             * @description The session that ended; null when there was none. The last begun, where there were several.
             */
            session_id?: null | string;
            status: string;
        };
        /** @description Body of `auth/register` and `auth/login`. */
        EmailAndPassword: {
            email?: null | string;
            password?: null | string;
        };
        /** @description Body of `auth/password/forgot`. */
        ForgottenPassword: {
            email?: null | string;
        };
        /** @description What became of an application by mail or password. One of the contract's few words, such as `verification_sent`. */
        OutcomeView: {
            status: string;
        };
        /** @description What a tenant used in a period. */
        PeriodView: {
            /**
             * Format: int64
             * @description Users who were connected in the period.
             */
            active_users: number;
            /**
             * Format: int64
             * @description Calls of the API in the period.
             */
            api_calls: number;
            /**
             * Format: double
             * @description Received and sent, in decimal gigabytes.
             */
            bandwidth_gb: number;
            /**
             * Format: double
             * @description Of all sessions together, rounded to hundredths.
             */
            connection_hours: number;
            /** Format: date-time */
            from: string;
            /**
             * Format: int64
             * @description Received from devices.
             */
            rx_bytes: number;
            /**
             * Format: date-time
             * @description Now: the sums go up to the last reading before it.
             */
            to: string;
            /**
             * Format: int64
             * @description Sent to devices.
             */
            tx_bytes: number;
        };
        /** @description Body of `auth/refresh`. */
        RefreshTokens: {
            refresh_token?: null | string;
        };
        /** @description Body of `POST /api/v1/devices`. */
        RegisterDevice: {
            /** @description 1 to 255 characters. */
            device_name?: null | string;
            /** @description The device's own key; absent: CVault makes the pair. */
            public_key?: null | string;
            /** @description Where its server should be; absent: wherever there is most room. */
            server_region?: null | string;
        };
        /** @description A registered device with its config. */
        RegisteredDeviceView: {
            assigned_ip: string;
            assigned_ipv6: string;
            /** @description The whole WireGuard config; without its private key where the device brought its own public key. */
            config: string;
            /** Format: date-time */
            created_at: string;
            /** Format: uuid */
            device_id: string;
            device_name: string;
            /** @description `live`: its server has confirmed the peer. `pending`: it will be there soon, without another call. */
            peer_status?: string;
            public_key: string;
            /** Format: uuid */
            server_id: string;
            server_region: string;
        };
        /** @description Body of `auth/password/reset`. */
        ResetUserPassword: {
            password?: null | string;
            token?: null | string;
        };
        /** @description A device that is no more. */
        RevokedDeviceView: {
            /** Format: uuid */
            device_id: string;
            /** @description `live`: its server has confirmed that the peer is gone. */
            peer_status?: string;
            status?: string;
        };
        /** @description A device's new keys and config. The old ones stop working when `peer_status` is `live`. */
        RotatedKeyView: {
            config: string;
            /** Format: uuid */
            device_id: string;
            peer_status?: string;
            public_key: string;
        };
        /** @description One page of servers. */
        ServersView: {
            next_cursor?: null | string;
            servers: components["schemas"]["ServerView"][];
        };
        /** @description A server as tenants and their users see it. */
        ServerView: {
            /** @description Whether a new device could be placed there now. */
            available: boolean;
            /** Format: uuid */
            id: string;
            /**
             * Format: int32
             * @description How full it is, in percent of its capacity, 0 to 100.
             */
            load: number;
            region: string;
            /** @description True: nothing can connect to it. */
            simulated: boolean;
        };
        /** @description One open session, with what the last reading of its server said of it. */
        SessionView: {
            assigned_ip: string;
            /** Format: date-time */
            connected_at: string;
            /** Format: uuid */
            device_id: string;
            /**
             * Format: date-time
             * @description Null before the first.
             */
            last_handshake_at?: null | string;
            /**
             * Format: int64
             * @description How old that is.
             */
            read_age_seconds?: null | number;
            /**
             * Format: date-time
             * @description When the server was last read; null for never.
             */
            read_at?: null | string;
            /**
             * Format: int64
             * @description Received from the device in this session, as of the reading.
             */
            rx_bytes: number;
            server_ip: string;
            /** Format: int32 */
            server_port: number;
            server_region: string;
            /** Format: uuid */
            session_id: string;
            /** @description `up`: a handshake within 180 s of the reading. `down`: none. `unknown`: the server has not been read since the session began. */
            tunnel: string;
            /**
             * Format: int64
             * @description Sent to the device.
             */
            tx_bytes: number;
        };
        /** @description Body of `auth/oidc`. */
        SignInByIdToken: {
            /** @description An ID token of the tenant's identity provider, for the client id that the tenant registered. */
            id_token?: null | string;
        };
        /** @description Body of `auth/external`. */
        SignInExternal: {
            /** @description To be shown, for a user who comes for the first time; nobody signs in by it. */
            email?: null | string;
            /** @description The tenant's own id of the user: 1 to 255 characters. */
            external_user_id?: null | string;
        };
        /** @description The user's connection: the members of the last begun session at the top, every open one below. */
        StatusView: {
            assigned_ip?: null | string;
            /** Format: date-time */
            connected_at?: null | string;
            /** Format: uuid */
            device_id?: null | string;
            server_ip?: null | string;
            /** Format: int32 */
            server_port?: null | number;
            server_region?: null | string;
            /** Format: uuid */
            session_id?: null | string;
            sessions: components["schemas"]["SessionView"][];
            /** @description `connected` or `disconnected`. */
            status: string;
        };
        /** @description A user's tokens. */
        TokenView: {
            /** @description JWT, for `Authorization: Bearer`. */
            access_token: string;
            /**
             * Format: int32
             * @description Seconds until the access token expires.
             */
            expires_in?: number;
            /** @description Good for one call of `auth/refresh`. */
            refresh_token: string;
            token_type?: string;
            /** Format: uuid */
            user_id: string;
        };
        /** @description One hour or day of a series, and one group in it where it is grouped. */
        UsagePointView: {
            /** Format: int64 */
            active_users: number;
            /** Format: int64 */
            connected_seconds: number;
            /**
             * Format: uuid
             * @description Only with `group_by=device`.
             */
            device_id?: null | string;
            /** @description Only with `group_by=region`: the region of the server that the session began on. */
            region?: null | string;
            /** Format: int64 */
            rx_bytes: number;
            /**
             * Format: date-time
             * @description The beginning of the hour or day, in UTC.
             */
            start: string;
            /** Format: int64 */
            tx_bytes: number;
            /**
             * Format: uuid
             * @description Only with `group_by=user`.
             */
            user_id?: null | string;
        };
        /** @description A tenant's usage. */
        UsageView: {
            /** @description The calendar month (UTC) until now. */
            current_period: components["schemas"]["PeriodView"];
            /** @description Of the series; null at its end. */
            next_cursor?: null | string;
            /** @description Hours or days in which there was any, in order; null where no range was asked for. */
            series?: null | components["schemas"]["UsagePointView"][];
        };
        /** @description One page of users. */
        UsersView: {
            next_cursor?: null | string;
            users: components["schemas"]["UserView"][];
        };
        /** @description A user as their tenant's server sees them. */
        UserView: {
            /** Format: date-time */
            created_at: string;
            /** @description Null where none is known. */
            email?: null | string;
            /** @description The tenant's own id, of `auth/external`; null for others. */
            external_user_id?: null | string;
            /** Format: uuid */
            id: string;
            /** @description `active`. */
            status: string;
            /** @description The identity provider's `sub`, of `auth/oidc`; null for others. */
            subject?: null | string;
        };
        /** @description Body of `auth/verify`. */
        VerifyUserEmail: {
            token?: null | string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    signInExternal: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignInExternal"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"];
                };
            };
        };
    };
    loginUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EmailAndPassword"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"];
                };
            };
        };
    };
    logoutUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description Of the login that ends; absent: that of the access token. */
                    refresh_token?: null | string;
                };
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OutcomeView"];
                };
            };
        };
    };
    signInByIdToken: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SignInByIdToken"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"];
                };
            };
        };
    };
    changePassword: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ChangeUserPassword"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OutcomeView"];
                };
            };
        };
    };
    forgotPassword: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ForgottenPassword"];
            };
        };
        responses: {
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OutcomeView"];
                };
            };
        };
    };
    resetPassword: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ResetUserPassword"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OutcomeView"];
                };
            };
        };
    };
    refreshTokens: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RefreshTokens"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"];
                };
            };
        };
    };
    registerUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["EmailAndPassword"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"];
                };
            };
            /** @description Accepted */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OutcomeView"];
                };
            };
        };
    };
    verifyUser: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["VerifyUserEmail"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenView"];
                };
            };
        };
    };
    listDevices: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DevicesView"];
                };
            };
        };
    };
    registerDevice: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RegisterDevice"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RegisteredDeviceView"];
                };
            };
        };
    };
    getDevice: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                deviceId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeviceView"];
                };
            };
        };
    };
    revokeDevice: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                deviceId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RevokedDeviceView"];
                };
            };
        };
    };
    getDeviceConfig: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                deviceId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeviceConfigView"];
                    "image/png": components["schemas"]["DeviceConfigView"];
                    "text/plain": components["schemas"]["DeviceConfigView"];
                };
            };
        };
    };
    rotateKey: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path: {
                deviceId: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description The new key of a device that makes its own; absent: CVault makes the pair. */
                    public_key?: null | string;
                };
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RotatedKeyView"];
                };
            };
        };
    };
    listAvailableServers: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServersView"];
                };
            };
        };
    };
    getUsage: {
        parameters: {
            query?: {
                cursor?: string;
                from?: string;
                granularity?: string;
                group_by?: string;
                limit?: number;
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsageView"];
                };
            };
        };
    };
    listUsers: {
        parameters: {
            query?: {
                cursor?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsersView"];
                };
            };
        };
    };
    getUser: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                userId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserView"];
                };
            };
        };
    };
    deleteUser: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                userId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeletedUserView"];
                };
            };
        };
    };
    connect: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Connect"];
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConnectedView"];
                };
            };
        };
    };
    disconnect: {
        parameters: {
            query?: never;
            header?: {
                /** @description Any text of up to 255 characters. The same key and body answers the first response again for 24 hours. */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** Format: uuid */
                    device_id?: null | string;
                };
            };
        };
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DisconnectedView"];
                };
            };
        };
    };
    getStatus: {
        parameters: {
            query?: {
                device_id?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OK */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StatusView"];
                };
            };
        };
    };
}
